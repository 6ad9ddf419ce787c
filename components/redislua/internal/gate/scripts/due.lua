-- due: holds whose deadline has passed on the Redis clock, oldest first.
--
-- KEYS[1]  due      ARGV[1]  limit      ARGV[2]  prefix of the order hashes
--
-- Guarantee: only reads. A hold stays until unhold or apply removes it, because the
-- fence decides whether it may go, not the clock.
-- Returns {{order id, product id, quantity, ...}, ...}

local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local holds = {}
for _, order in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at, 'LIMIT', 0, ARGV[1])) do
  local hold = {order}
  for _, v in ipairs(redis.call('HGETALL', ARGV[2] .. order)) do hold[#hold + 1] = v end
  holds[#holds + 1] = hold
end
return holds
