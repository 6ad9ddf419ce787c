-- hold: holds all lines of one order, or none.
--
-- KEYS[1]      due: zset order id -> deadline in ms of the Redis clock
-- KEYS[2]      open: zset of the products that have open holds
-- KEYS[3]      the order's lines: hash product id -> quantity
-- KEYS[4..]    one product hash per line: base, version, held, o:<order id>, b:<order id>;
--              then, if there is a shopper, per line the shopper's hash of that product:
--              order id -> quantity, or "quantity:ms" once the ledger has recorded it
-- ARGV[1..2]   order id, time to live in ms
-- ARGV[3]      the shopper's id, or empty
-- ARGV[4]      how many units of one product the shopper may hold, in holds and unpaid
--              orders; 0: any number, and nothing is counted
-- ARGV[5]      JSON, or empty: {unpaid: {product id: {order id: quantity}}, ended: {order
--              id: true}}: what the ledger had reserved for the shopper before this call,
--              and orders that hold nothing although the shopper's hash has them
-- ARGV[6..]    product id and quantity per line, each product once
--
-- Guarantee: available = base - held, and held is stored as a running sum, so the
-- cost is O(lines of this order) and not O(open holds). A repeat for an order with an
-- open hold takes nothing more and renews its deadline; a repeat with other lines is
-- refused. Nothing is held unless every line can be held.
--
-- What a shopper holds of a product are the entries of the hash and of the ledger, each
-- order once. An entry stays for a while after the ledger has recorded its order, so that
-- an order which moves into the ledger between its reading and this call is counted.
-- Returns {"held"} | {"conflict"} | {"missing", ids...} | {"too_many", short...} |
-- {"sold_out", short...}, where short is {product id, how many more there could be, own...},
-- and own are the shopper's other orders: order id, quantity, 1 if it is in the gate.

local order, shopper, most = ARGV[1], ARGV[3], tonumber(ARGV[4])
local lines = (#ARGV - 5) / 2
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = now + ARGV[2]

local open = redis.call('HGETALL', KEYS[3])
if #open > 0 then
  local was = {}
  for i = 1, #open, 2 do was[open[i]] = open[i + 1] end
  if #open / 2 ~= lines then return {'conflict'} end
  for i = 1, lines do
    if was[ARGV[4 + 2 * i]] ~= ARGV[5 + 2 * i] then return {'conflict'} end
  end
  redis.call('ZADD', KEYS[1], deadline, order)
  return {'held'}
end

local ledger = ARGV[5] ~= '' and cjson.decode(ARGV[5]) or {unpaid = {}, ended = {}}

-- own returns how much of a line's product the shopper's other orders hold, and those orders.
local function own(i)
  local sum, orders, seen = 0, {}, {}
  if shopper == '' then return sum, orders end
  local key = KEYS[3 + lines + i]
  local entries = redis.call('HGETALL', key)
  for j = 1, #entries, 2 do
    local id, quantity, till = entries[j], entries[j + 1], nil
    local colon = string.find(quantity, ':', 1, true)
    if colon then
      quantity, till = string.sub(quantity, 1, colon - 1), tonumber(string.sub(quantity, colon + 1))
    end
    if ledger.ended[id] or till and till < now then
      redis.call('HDEL', key, id)
    elseif id ~= order then
      seen[id] = true
      sum = sum + quantity
      orders[#orders + 1] = id
      orders[#orders + 1] = tonumber(quantity)
      orders[#orders + 1] = redis.call('HEXISTS', KEYS[3 + i], 'o:' .. id)
    end
  end
  for id, quantity in pairs(ledger.unpaid[ARGV[4 + 2 * i]] or {}) do
    if id ~= order and not seen[id] and not ledger.ended[id] then
      sum = sum + quantity
      orders[#orders + 1] = id
      orders[#orders + 1] = quantity
      orders[#orders + 1] = 0
    end
  end
  return sum, orders
end

local function short(i, left, orders)
  local entry = {ARGV[4 + 2 * i], math.max(left, 0)}
  for j = 1, #orders do entry[#entry + 1] = orders[j] end
  return entry
end

local missing, many, sold = {'missing'}, {'too_many'}, {'sold_out'}
for i = 1, lines do
  local product, quantity = ARGV[4 + 2 * i], tonumber(ARGV[5 + 2 * i])
  local p = redis.call('HMGET', KEYS[3 + i], 'base', 'held')
  if not p[1] then
    missing[#missing + 1] = product
  else
    local left = tonumber(p[1]) - tonumber(p[2] or '0')
    local sum, orders
    if most > 0 then
      sum, orders = own(i)
      if sum + quantity > most then many[#many + 1] = short(i, most - sum, orders) end
    end
    if left < quantity then
      if not orders then sum, orders = own(i) end
      sold[#sold + 1] = short(i, left, orders)
    end
  end
end
if #missing > 1 then return missing end
if #many > 1 then return many end
if #sold > 1 then return sold end

for i = 1, lines do
  local product, quantity = ARGV[4 + 2 * i], ARGV[5 + 2 * i]
  redis.call('HSET', KEYS[3 + i], 'o:' .. order, quantity)
  redis.call('HINCRBY', KEYS[3 + i], 'held', quantity)
  redis.call('HSET', KEYS[3], product, quantity)
  redis.call('ZADD', KEYS[2], 0, product)
  if shopper ~= '' then
    redis.call('HSET', KEYS[3 + i], 'b:' .. order, shopper)
    if most > 0 then
      local key = KEYS[3 + lines + i]
      redis.call('HSET', key, order, quantity)
      redis.call('PEXPIRE', key, 3600000)
    end
  end
end
redis.call('ZADD', KEYS[1], deadline, order)
return {'held'}
