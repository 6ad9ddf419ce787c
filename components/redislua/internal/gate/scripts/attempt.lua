-- attempt: one attempt to sign in to an account from a place (a device or an address). All replicas share the token
-- buckets, which use the Redis clock.
--
-- KEYS[1]  the bucket of the client's address: every attempt
-- KEYS[2]  the bucket of the account: failed attempts from places that it does not know
-- KEYS[3]  the places the account knows, from earlier sign-ins: sorted set, place -> time of the last sign-in (s)
-- KEYS[4]  the bucket of account and address     KEYS[5]  of account and device: failed attempts from there
-- ARGV[1]  place of the address     ARGV[2]  place of the device, "" for none
-- ARGV[3..8]  rate and burst of: the address, the account, a place
--
-- Guarantee: an attempt takes one token from each bucket that applies, or none. If it does not fail, settle gives the
-- tokens of the account and the place back. Attempts from a known place are not charged to the account's bucket, so
-- failures from elsewhere cannot lock the owner out.
-- Returns {1, 0, place, known} | {0, ms until the attempt can be made, place, known}

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
