-- unhold: gives back everything one order still holds.
--
-- KEYS[1]  due      KEYS[2]  open      KEYS[3]  the order's lines
-- ARGV[1]  order id
-- ARGV[2]  prefix of the product hashes; which ones is only known from the
--          order's lines, and the shared hash tag keeps them in the same slot
--
-- Promise: what is given back is what the product's own hash says this order
-- holds, so a second run, or a product that was lost meanwhile, gives nothing.
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
