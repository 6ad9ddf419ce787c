-- hold: holds all lines of one order, or none.
--
-- KEYS[1]      due: zset order id -> deadline in ms of the Redis clock
-- KEYS[2]      open: zset of the products that have open holds
-- KEYS[3]      the order's lines: hash product id -> quantity
-- KEYS[4..]    one product hash per line: base, version, held, o:<order id>
-- ARGV[1..2]   order id, time to live in ms
-- ARGV[3..]    product id and quantity per line, each product once
--
-- Guarantee: available = base - held, and held is stored as a running sum, so the
-- cost is O(lines of this order) and not O(open holds). A repeat for an order with an
-- open hold takes nothing more and renews its deadline; a repeat with other lines is
-- refused. Nothing is written unless every line can be held.
-- Returns {"held"} | {"conflict"} | {"missing", ids...} | {"sold_out", id, left, ...}

local order = ARGV[1]
local lines = #KEYS - 3
local now = redis.call('TIME')
local deadline = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2]

local open = redis.call('HGETALL', KEYS[3])
if #open > 0 then
  local was = {}
  for i = 1, #open, 2 do was[open[i]] = open[i + 1] end
  if #open / 2 ~= lines then return {'conflict'} end
  for i = 1, lines do
    if was[ARGV[1 + 2 * i]] ~= ARGV[2 + 2 * i] then return {'conflict'} end
  end
  redis.call('ZADD', KEYS[1], deadline, order)
  return {'held'}
end

local missing, short = {'missing'}, {'sold_out'}
for i = 1, lines do
  local p = redis.call('HMGET', KEYS[3 + i], 'base', 'held')
  if not p[1] then
    missing[#missing + 1] = ARGV[1 + 2 * i]
  else
    local left = tonumber(p[1]) - tonumber(p[2] or '0')
    if left < tonumber(ARGV[2 + 2 * i]) then
      short[#short + 1] = ARGV[1 + 2 * i]
      short[#short + 1] = math.max(left, 0)
    end
  end
end
if #missing > 1 then return missing end
if #short > 1 then return short end

for i = 1, lines do
  local product, quantity = ARGV[1 + 2 * i], ARGV[2 + 2 * i]
  redis.call('HSET', KEYS[3 + i], 'o:' .. order, quantity)
  redis.call('HINCRBY', KEYS[3 + i], 'held', quantity)
  redis.call('HSET', KEYS[3], product, quantity)
  redis.call('ZADD', KEYS[2], 0, product)
end
redis.call('ZADD', KEYS[1], deadline, order)
return {'held'}
