-- settle: gives tokens back, because an attempt that attempt allowed did not fail.
--
-- KEYS[1]  the bucket of the attempt's place     KEYS[2]  the bucket of the account, charged if the place was unknown
-- KEYS[3]  the places the account knows
-- ARGV[1..4]  burst of a place, 1 if the account's bucket was charged, burst of the account, number of places to keep
-- ARGV[5]  for how long (s)     ARGV[6..]  the places to remember; none if the attempt was no sign-in
--
-- Guarantee: no bucket gets more than its burst; a bucket that does not exist is full.

for i, burst in ipairs({ tonumber(ARGV[1]), ARGV[2] == '1' and tonumber(ARGV[3]) or nil }) do
  local tokens = tonumber(redis.call('HGET', KEYS[i], 'tokens'))
  if tokens then
    redis.call('HSET', KEYS[i], 'tokens', tostring(math.min(tokens + 1, burst)))
  end
end
if #ARGV > 5 then
  local now = redis.call('TIME')[1]
  for i = 6, #ARGV do
    redis.call('ZADD', KEYS[3], now, ARGV[i])
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[5])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[4])
  redis.call('EXPIRE', KEYS[3], ARGV[5])
end
return 1
