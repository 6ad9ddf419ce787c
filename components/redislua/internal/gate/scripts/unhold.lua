-- unhold: releases everything that an order still holds.
--
-- KEYS[1]  due      KEYS[2]  open      KEYS[3]  the order's lines
-- ARGV[1]  order id
-- ARGV[2]  prefix of the product hashes. The script builds their keys from the
--          order's lines; the shared hash tag keeps them in the same slot
--
-- Guarantee: the quantity released is the one in the product's own hash, so a second
-- run, or a product that was lost meanwhile, releases nothing.
-- Returns {"released"} | {"absent"}

local order = ARGV[1]
local products = redis.call('HKEYS', KEYS[3])
for _, product in ipairs(products) do
  local key = ARGV[2] .. product
  local quantity = redis.call('HGET', key, 'o:' .. order)
  if quantity then
    redis.call('HDEL', key, 'o:' .. order)
    if redis.call('HINCRBY', key, 'held', -quantity) <= 0 then
      redis.call('ZREM', KEYS[2], product)
    end
  end
end
redis.call('DEL', KEYS[3])
redis.call('ZREM', KEYS[1], order)
if #products == 0 then return {'absent'} end
return {'released'}
