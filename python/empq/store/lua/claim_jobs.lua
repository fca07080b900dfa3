-- claim_jobs: gives workers the best jobs among the lanes offered to each.
-- moves    claim: queued -> assigned
-- keys     prefix
-- args     { applied entry number, items: { { worker_id, session, version, max_jobs, claim_id, seed, lanes, scores (under the order score, else {}), rank of the best head that was not offered } } }
-- returns  { { index, results: { { ok, { { id, attempt, lease, priority } } } | { not_found } | { worker_replaced } | { stale_worker } } }, envelope … }, or stale_index, no_dataset
-- emits    job_assigned
-- includes keys, record, open_data, load, customers, pauses, place, history, slots, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include customers
-- @include pauses
-- @include place
-- @include history
-- @include slots
-- @include commit
local STALE_MS, CLAIMS_KEPT, CHUNK = 250, 16, 64
local applied, items = args[1], args[2]

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
if applied < data.number then
  local oldest = redis.call("XRANGE", KEY.events, string.format("%.0f", applied + 1) .. "-0", "+", "COUNT", 1)
  if oldest[1] and tonumber(oldest[1][2][6]) < data.now - STALE_MS then
    return cmsgpack.pack({ "stale_index", {} })
  end
end

local changes, lanes, envelopes = new_changes(data), {}, {}
local worker_ids = {}
for i, item in ipairs(items) do
  worker_ids[i] = item[1]
end
load_workers(changes, worker_ids)
local customers = {}
for _, item in ipairs(items) do
  for _, lane in ipairs(item[7]) do
    customers[#customers + 1] = string.sub(lane, (string.find(lane, ":", 1, true)) + 1)
  end
end
load_customers(changes, customers)

-- A lane is read a chunk at a time; what this call has taken from it stands before `next`.
local function head_of(lane, chunk)
  local view = lanes[lane]
  if not view then
    view = { read = 0, next = 1, entries = {} }
    lanes[lane] = view
  end
  if view.next > #view.entries and not view.dry then
    local more = redis.call("ZRANGE", KEY.lane .. lane, view.read, view.read + chunk - 1, "WITHSCORES")
    view.read, view.dry = view.read + chunk, #more < 2 * chunk
    local ids = {}
    for i = 1, #more, 2 do
      local id = string.sub(more[i], 17)
      ids[#ids + 1] = id
      view.entries[#view.entries + 1] = { member = more[i], rank = tonumber(more[i + 1]), id = id }
    end
    local jobs = load_jobs(changes, ids)
    for _, entry in ipairs(view.entries) do
      entry.job = entry.job or jobs[entry.id]
    end
  end
  return view.entries[view.next]
end

local paused = read_pauses(data)

-- What a worker holds, counted once a call and kept as it takes more: customers, those of strict jobs, services.
local holdings = {}

local function note_held(holding, customer, service, strict)
  if not holding.customers[customer] then
    holding.customers[customer], holding.total = true, holding.total + 1
  end
  if strict == 1 and not holding.strict[customer] then
    holding.strict[customer], holding.strict_total = true, holding.strict_total + 1
  end
  holding.services[service] = (holding.services[service] or 0) + 1
end

local function holding_of(worker)
  local holding = holdings[worker]
  if not holding then
    holding = { customers = {}, total = 0, strict = {}, strict_total = 0, services = {} }
    for _, held in ipairs(worker[W.held]) do
      note_held(holding, held[H.customer], held[H.service], held[H.strict])
    end
    holdings[worker] = holding
  end
  return holding
end

local function may_hold(worker, job)
  local name, holding = job[J.customer], holding_of(worker)
  local customer, is_held = changes.customers[name], holding.customers[name]
  if is_paused(paused, job) or (customer[C.max_active] >= 0 and customer[C.active] >= customer[C.max_active]) then
    return false
  end
  local others = holding.total - (is_held and 1 or 0)
  if (job[J.strict] == 1 and others > 0) or holding.strict_total - (holding.strict[name] and 1 or 0) > 0 then
    return false
  end
  -- A customer that is held already is never refused by the bound on customers.
  if worker[W.max_customers] > 0 and not is_held and others + 1 > worker[W.max_customers] then
    return false
  end
  for _, capacity in ipairs(worker[W.capacity]) do
    if job[J.service] ~= "" and capacity[1] == job[J.service] and (holding.services[job[J.service]] or 0) >= capacity[2] then
      return false
    end
  end
  return true
end

-- Start-time fair queueing: the pick's start becomes the system's time, its customer pays the shape's mean at once.
local function charge(job)
  local customer = changes.customers[job[J.customer]]
  customer[C.active] = customer[C.active] + 1
  local moves = moves_of(changes, job[J.customer])
  moves.picked = (moves.picked or 0) + 1
  if data.order == "fair" then
    job[J.charged] = tonumber(redis.call("HGET", KEY.shape_seconds, job[J.shape]) or UNKNOWN_COST)
    data.virtual = math.max(data.virtual, customer[C.virtual_time])
    customer[C.virtual_time] = customer[C.virtual_time] + math.floor(job[J.charged] / customer[C.weight])
  end
end

local function assign(worker_id, worker, entry, claim_id, seed)
  local id, job = entry.id, entry.job
  if job[J.attempt] > 0 then
    begin_history(changes, id, job)
  end
  unstand(changes, id, job)
  job[J.state], job[J.worker], job[J.attempt] = "assigned", worker_id, job[J.attempt] + 1
  job[J.lease] = string.sub(redis.sha1hex(seed .. id), 1, 32)
  job[J.assigned_at], job[J.assigned_l], job[J.started_at], job[J.outcome] = data.now, data.clock, 0, ""
  add_to(changes.zadd, KEY.deadlines, data.clock + math.min(job[J.accept_ms], job[J.timeout_ms]), id)
  if #job[J.avoided] > 0 then
    add_to(changes.zrem, KEY.avoidances, id)
  end
  charge(job)
  local held = worker[W.held]
  held[#held + 1] = { id, job[J.attempt], job[J.customer], job[J.service], job[J.strict], 0, 0, "", claim_id }
  note_held(holding_of(worker), job[J.customer], job[J.service], job[J.strict])
  count(changes, job, "queued", "assigned")
  tell_event(changes, id, job, "job_assigned", worker_id, "", "", "")
  keep_job(changes, id, job)
  keep_worker(changes, worker_id, worker)
  envelopes[#envelopes + 1] = id
  return { id, job[J.attempt], job[J.lease], job[J.priority] }
end

-- Priority first, always; then what the order says; then first in, first out.
local function comes_before(entry, best)
  if data.order ~= "fifo" then
    local level, best_level = math.floor(entry.rank / LEVEL), math.floor(best.rank / LEVEL)
    if level ~= best_level then
      return level < best_level
    end
    if entry.key ~= best.key then
      return entry.key < best.key
    end
  end
  return entry.rank < best.rank or (entry.rank == best.rank and entry.member < best.member)
end

local function order_key(entry, score)
  if data.order == "score" then
    return -score
  elseif data.order == "fair" then
    return changes.customers[entry.job[J.customer]][C.virtual_time]
  end
  return 0
end

-- The best head of the lanes offered; a lane whose head this worker may not hold now is passed over.
local function best_entry(worker, offered, scores, passed, chunk)
  local best, best_view
  for i, lane in ipairs(offered) do
    local entry = not passed[lane] and head_of(lane, chunk)
    while entry and (not entry.job or entry.job[J.state] ~= "queued" or entry.job[J.lane] ~= lane) do
      changes.lanes[lane] = true
      add_to(changes.zrem, KEY.lane .. lane, entry.member)
      lanes[lane].next = lanes[lane].next + 1
      entry = head_of(lane, chunk)
    end
    if entry and not may_hold(worker, entry.job) then
      passed[lane] = true
      entry = nil
    end
    if entry then
      entry.key = order_key(entry, scores[i] or 0)
      if not best or comes_before(entry, best) then
        best, best_view = entry, lanes[lane]
      end
    end
  end
  return best, best_view
end

local function repeated(worker, claim_id)
  if claim_id == "" then
    return nil
  end
  for _, earlier in ipairs(worker[W.claims]) do
    if earlier == claim_id then
      local ids, given = {}, {}
      for _, held in ipairs(worker[W.held]) do
        if held[H.claim] == claim_id then
          ids[#ids + 1] = held[H.job]
        end
      end
      local jobs = load_jobs(changes, ids)
      for _, id in ipairs(ids) do
        if jobs[id] and jobs[id][J.state] == "assigned" then
          given[#given + 1] = { id, jobs[id][J.attempt], jobs[id][J.lease], jobs[id][J.priority] }
          envelopes[#envelopes + 1] = id
        end
      end
      return given
    end
  end
  return nil
end

local function remember_claim(worker, claim_id)
  local claims = worker[W.claims]
  claims[#claims + 1] = claim_id
  if #claims > CLAIMS_KEPT then
    table.remove(claims, 1)
  end
end

-- Under fair a pick may put others before this customer's next job, lanes that were not offered among them:
-- one job a customer and call, the hub proposes for the rest.
local function pass_customer(offered, passed, customer)
  for _, lane in ipairs(offered) do
    if string.sub(lane, (string.find(lane, ":", 1, true)) + 1) == customer then
      passed[lane] = true
    end
  end
end

local function claim(item)
  local worker_id, max_jobs, claim_id = item[1], item[4], item[5]
  local worker = changes.known[worker_id]
  if not worker or worker[W.state] == "offline" then
    return { "not_found" }
  end
  if item[2] ~= "" and item[2] ~= worker[W.session] then
    return { "worker_replaced" }
  end
  local again = repeated(worker, claim_id)
  if again then
    return { "ok", again }
  end
  if item[3] ~= worker[W.version] then
    return { "stale_worker" }
  end
  local given, passed = {}, {}
  while worker[W.state] == "online" and not paused["worker\0" .. worker_id] and #given < max_jobs and #worker[W.held] < worker[W.slots] do
    local entry, view = best_entry(worker, item[7], item[8], passed, math.max(1, math.min(CHUNK, max_jobs - #given)))
    if not entry then
      break
    end
    -- Others have taken the heads that were proposed: a lane that was not offered has a better one. The hub proposes
    -- again, by an index that now knows these lanes as they are.
    if entry.rank > item[9] then
      for _, lane in ipairs(#given == 0 and item[7] or {}) do
        changes.lanes[lane] = true
      end
      break
    end
    view.next = view.next + 1
    if data.order == "fair" then
      pass_customer(item[7], passed, entry.job[J.customer])
    end
    given[#given + 1] = assign(worker_id, worker, entry, claim_id, item[6])
  end
  if #given > 0 and claim_id ~= "" then
    remember_claim(worker, claim_id)
  end
  return { "ok", given }
end

local results = {}
for i, item in ipairs(items) do
  results[i] = claim(item)
end
local index = ""
if #changes.job_ids > 0 or next(changes.lanes) then
  index = commit(changes)
end
local reply = { cmsgpack.pack({ "ok", results }), index }
if #envelopes > 0 then
  local keys = {}
  for i, id in ipairs(envelopes) do
    keys[i] = KEY.envelope .. id
  end
  local texts = values_of(keys)
  for i = 1, #keys do
    reply[i + 2] = texts[i]
  end
end
return reply
