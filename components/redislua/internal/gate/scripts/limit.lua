-- limit: a token bucket that all replicas share. It uses the Redis clock.
--
-- KEYS[1]  the bucket: hash tokens, at (ms)
-- ARGV[1]  rate: tokens per second      ARGV[2]  burst: the bucket's size
-- ARGV[3]  cost: tokens this call takes
--
-- Guarantee: a refused call takes nothing; a clock that jumps back adds nothing;
-- a bucket expires when it would be full again.
-- Returns {1, 0} | {0, ms until the cost can be paid}

local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local was = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(was[1] or burst)
local since = math.max(now - tonumber(was[2] or now), 0)
tokens = math.min(burst, tokens + since * rate / 1000)

local allowed, wait = 0, 0
if tokens >= cost then
  tokens, allowed = tokens - cost, 1
else
  wait = math.ceil((cost - tokens) * 1000 / rate)
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) * 1000 / rate) + 1000)
return {allowed, wait}
