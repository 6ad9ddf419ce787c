-- lock: one winner for a while, so that one caller rebuilds and the others wait.
--
-- KEYS[1]  the lock      ARGV[1]  owner      ARGV[2]  time to live in ms
--
-- Promise: at most one owner at a time; the owner may take it again, which
-- renews it; nobody unlocks, time does. It saves work, it guards no truth.
-- Returns 1 | 0

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
