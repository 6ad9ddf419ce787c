-- extend: gives an open hold a new deadline, relative to the Redis clock.
--
-- KEYS[1]  due      ARGV[1]  order id      ARGV[2]  time to live in ms
--
-- Guarantee: a hold that is gone is not created again.
-- Returns {"extended"} | {"absent"}

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {'absent'} end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2], ARGV[1])
return {'extended'}
