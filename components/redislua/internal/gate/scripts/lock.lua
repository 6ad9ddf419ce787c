-- lock: a lock that expires, so that one caller rebuilds while the others wait.
--
-- KEYS[1]  the lock      ARGV[1]  owner      ARGV[2]  time to live in ms
--
-- Guarantee: at most one owner at a time. The owner may renew the lock; nobody
-- unlocks it, it expires. It only saves work: correctness must not depend on it.
-- Returns 1 | 0

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
