-- attempt: one try to sign in to an account, from a place (a device or an address). Buckets are on the Redis clock, one for all replicas.
--
-- KEYS[1]  the bucket of the client's address: every try
-- KEYS[2]  the bucket of the account: failed tries from places unknown to it
-- KEYS[3]  the places the account was signed in to from: sorted set, place -> time of the last (s)
-- KEYS[4]  the bucket of account and address     KEYS[5]  of account and device: failed tries from there
-- ARGV[1]  place of the address     ARGV[2]  place of the device, "" for none
-- ARGV[3..8]  rate and burst of: the address, the account, a place
--
-- Promise: a try takes one token from each bucket it is under, or nothing; settle gives back what a try that did not fail has taken
-- of the account and the place. Who comes from a place the account knows is under that place's bucket alone, whatever others do.
-- Returns {1, 0, place, known} | {0, ms until the try can be made, place, known}

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local place, known, bucket = ARGV[1], 0, KEYS[4]
if ARGV[2] ~= '' and redis.call('ZSCORE', KEYS[3], ARGV[2]) then
  place, known, bucket = ARGV[2], 1, KEYS[5]
elseif redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  known = 1
end

local under = { { KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4]) }, { bucket, tonumber(ARGV[7]), tonumber(ARGV[8]) } }
if known == 0 then
  under[3] = { KEYS[2], tonumber(ARGV[5]), tonumber(ARGV[6]) }
end

local wait = 0
for _, b in ipairs(under) do
  local was = redis.call('HMGET', b[1], 'tokens', 'at')
  local since = math.max(now - tonumber(was[2] or now), 0)
  b[4] = math.min(b[3], tonumber(was[1] or b[3]) + since * b[2] / 1000)
  if b[4] < 1 then
    wait = math.max(wait, math.ceil((1 - b[4]) * 1000 / b[2]))
  end
end
if wait > 0 then
  return { 0, wait, place, known }
end
for _, b in ipairs(under) do
  redis.call('HSET', b[1], 'tokens', tostring(b[4] - 1), 'at', now)
  redis.call('PEXPIRE', b[1], math.ceil((b[3] - b[4] + 1) * 1000 / b[2]) + 1000)
end
return { 1, 0, place, known }
