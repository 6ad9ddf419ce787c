-- apply: updates one product from the ledger.
--
-- KEYS[1]   due      KEYS[2]  open      KEYS[3]  the product hash
-- ARGV[1]   product id
-- ARGV[2]   base: on_hand - reserved        ARGV[3]  the version of that base
-- ARGV[4]   prefix of the order hashes      ARGV[5]  prefix of the shoppers' hashes
--           (same slot by the shared hash tag)
-- ARGV[6]   a version to replace even if it is newer, or empty: the ledger was
--           restored, so this version is not part of its history any more
-- ARGV[7..] recorded: ids of orders that the base already contains (or that will
--           never be placed), so their holds are removed
--
-- Guarantee: the base is replaced only if the new version is newer, the product is
-- missing, or the gate has exactly the version ARGV[6]. The holds of recorded orders
-- are always removed, because a base of that version or a later one contains them.
-- In the shopper's hash they stay for 10 s: see hold.lua.
-- Repeated and reordered calls end in the same state; nothing is counted twice.
-- Returns {base, version, held}

local key, product = KEYS[3], ARGV[1]
local was = redis.call('HGET', key, 'version')
if not was or tonumber(ARGV[3]) > tonumber(was) or was == ARGV[6] then
  redis.call('HSET', key, 'base', ARGV[2], 'version', ARGV[3])
  redis.call('HSETNX', key, 'held', 0)
end

for i = 7, #ARGV do
  local order = ARGV[i]
  local hold = redis.call('HMGET', key, 'o:' .. order, 'b:' .. order)
  if hold[1] then
    redis.call('HDEL', key, 'o:' .. order, 'b:' .. order)
    redis.call('HINCRBY', key, 'held', -hold[1])
    local lines = ARGV[4] .. order
    redis.call('HDEL', lines, product)
    if redis.call('EXISTS', lines) == 0 then
      redis.call('ZREM', KEYS[1], order)
    end
    local own = hold[2] and ARGV[5] .. hold[2] .. ':' .. product
    if own and redis.call('HEXISTS', own, order) == 1 then
      local time = redis.call('TIME')
      redis.call('HSET', own, order, hold[1] .. ':' .. (time[1] * 1000 + math.floor(time[2] / 1000) + 10000))
    end
  end
end

local now = redis.call('HMGET', key, 'base', 'version', 'held')
if tonumber(now[3]) <= 0 then redis.call('ZREM', KEYS[2], product) end
return {tonumber(now[1]), tonumber(now[2]), tonumber(now[3])}
