-- unhold: releases everything that an order still holds.
--
-- KEYS[1]  due      KEYS[2]  open      KEYS[3]  the order's lines
-- ARGV[1]  order id
-- ARGV[2]  prefix of the product hashes       ARGV[3]  prefix of the shoppers' hashes
--          The script builds their keys from the order's lines; the shared hash tag
--          keeps them in the same slot
--
-- Guarantee: the quantity released is the one in the product's own hash, so a second
-- run, or a product that was lost meanwhile, releases nothing.
-- Returns {"released"} | {"absent"}

local order = ARGV[1]
local products = redis.call('HKEYS', KEYS[3])
for _, product in ipairs(products) do
  local key = ARGV[2] .. product
  local hold = redis.call('HMGET', key, 'o:' .. order, 'b:' .. order)
  if hold[1] then
    redis.call('HDEL', key, 'o:' .. order, 'b:' .. order)
    if redis.call('HINCRBY', key, 'held', -hold[1]) <= 0 then
      redis.call('ZREM', KEYS[2], product)
    end
    if hold[2] then redis.call('HDEL', ARGV[3] .. hold[2] .. ':' .. product, order) end
  end
end
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[1], order)
if #products == 0 then return {'absent'} end
return {'released'}
