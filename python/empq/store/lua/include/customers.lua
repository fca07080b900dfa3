-- @include changes
-- @include bulk
-- Customers: quotas and, under the order `fair`, virtual time (start-time fair queueing in micro slot-seconds).
local UNKNOWN_COST = 1000000

local function default_customer()
  return { 1, -1, -1, 0, 0, 0, 0, 0, 0 }
end

-- Records into changes.customers, one MGET for all; a customer never told of has the defaults.
local function load_customers(changes, names)
  local keys, wanted = {}, {}
  for _, name in ipairs(names) do
    if not changes.customers[name] and not wanted[name] then
      wanted[name] = true
      keys[#keys + 1] = KEY.customer .. name
    end
  end
  if #keys > 0 then
    local packed = values_of(keys)
    for i, key in ipairs(keys) do
      changes.customers[string.sub(key, #KEY.customer + 1)] = packed[i] and cmsgpack.unpack(packed[i]) or default_customer()
    end
  end
end

-- An attempt is over: what it was charged at the pick is corrected by what it took.
local function settle_charge(changes, job)
  if changes.data.order == "fair" and job[J.charged] > 0 then
    local took = (changes.data.now - job[J.assigned_at]) * 1000
    local moves = moves_of(changes, job[J.customer])
    moves.charge = moves.charge + took - job[J.charged]
    job[J.charged] = 0
    changes.shape_took = changes.shape_took or {}
    changes.shape_took[job[J.shape]] = took
  end
end

local function is_default(customer)
  return customer[C.weight] == 1 and customer[C.max_active] == -1 and customer[C.max_queued] == -1 and customer[C.active] == 0 and customer[C.waiting] == 0
end

local function move_customer(data, customer, moves)
  if data.order == "fair" then
    -- Back from idleness: no credit for the time away.
    if customer[C.queued] == 0 and customer[C.active] == 0 and moves.queued > 0 then
      customer[C.virtual_time] = math.max(customer[C.virtual_time], data.virtual)
    end
    customer[C.virtual_time] = math.max(0, customer[C.virtual_time] + math.floor(moves.charge / customer[C.weight]))
  end
  customer[C.active] = customer[C.active] + moves.active - (moves.picked or 0) -- picks were counted as they were made
  customer[C.waiting] = customer[C.waiting] + moves.waiting
  customer[C.queued] = customer[C.queued] + moves.queued
end

-- Applies what was counted, and returns the entry's customers part: those whose figures a matcher looks at.
local function write_customers(changes)
  local names, part, strings, gone, data = {}, {}, {}, {}, changes.data
  for name in pairs(changes.customer_moves) do
    names[#names + 1] = name
  end
  load_customers(changes, names)
  for name, customer in pairs(changes.customers) do
    local moves = changes.customer_moves[name]
    if moves then
      move_customer(data, customer, moves)
    end
    if moves or changes.told_customers[name] then
      if is_default(customer) and data.order ~= "fair" then
        gone[#gone + 1] = KEY.customer .. name
      else
        strings[#strings + 1] = KEY.customer .. name
        strings[#strings + 1] = cmsgpack.pack(customer)
      end
      if changes.told_customers[name] or data.order == "fair" or customer[C.max_active] >= 0 then
        part[#part + 1] = { name, customer[C.weight], customer[C.max_active], customer[C.active], customer[C.virtual_time] }
      end
    end
  end
  bulk(strings, "MSET")
  bulk(gone, "DEL")
  return part
end

-- The mean slot-seconds of shapes: a moving mean over about eight attempts.
local function write_shape_seconds(changes)
  for shape, took in pairs(changes.shape_took or {}) do
    local mean = tonumber(redis.call("HGET", KEY.shape_seconds, shape) or took)
    redis.call("HSET", KEY.shape_seconds, shape, math.floor(mean + (took - mean) / 8))
  end
end
