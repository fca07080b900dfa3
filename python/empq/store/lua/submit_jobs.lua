-- submit_jobs: stores new jobs, queued or pending, all of them or (partial) those that may be stored.
-- moves    submit: (none) -> queued, pending
-- keys     prefix
-- args     { items: { { id, job, depends_on, delay_ms } }, shapes: { { base, document } }, partial, idempotency_id, body_digest, reserve: { { customer, jobs of later calls } }, takes_reserved }, then one envelope per item
-- returns  { index, results: { { ok, id, status, position, created_at } | { unknown_dependency, id } | { invalid_field, pointer } | { quota_exceeded, customer, max_queued } | { not_stored } } }, or { replayed, results }, idempotency_mismatch, no_dataset, refused results
-- emits    job_queued, job_pending
-- includes keys, record, open_data, load, customers, place, history, end_job, commit, answer
local prefix, args, texts = KEYS[1], cmsgpack.unpack(ARGV[1]), ARGV
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include customers
-- @include place
-- @include history
-- @include end_job
-- @include commit
-- @include answer
local ANSWER_KEPT_SECONDS, RESERVED_MS = 86400, 60000
local items, shapes, idempotency_id, body_digest = args[1], args[2], args[4], args[5]
local partial, reserve, takes_reserved = args[3] == 1, args[6], args[7] == 1

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
if idempotency_id ~= "" then
  local kept = redis.call("GET", KEY.idempotency .. idempotency_id)
  if kept then
    local first = cmsgpack.unpack(kept)
    if first[1] ~= body_digest then
      return cmsgpack.pack({ "idempotency_mismatch", {} })
    end
    return cmsgpack.pack({ "replayed", first[2] })
  end
end

local changes = new_changes(data)
local ids, own = {}, {}
for _, item in ipairs(items) do
  ids[#ids + 1] = item[1]
  own[item[1]] = true
end
for _, item in ipairs(items) do
  for _, dependency in ipairs(item[3]) do
    ids[#ids + 1] = dependency
  end
end
local known = load_jobs(changes, ids)

local customers = {}
for i, item in ipairs(items) do
  customers[i] = item[2][J.customer]
end
load_customers(changes, customers)

-- How many more jobs of a customer may wait (nil: no quota). A batch of several calls has reserved what is still to come.
local function room_of(name, room)
  local customer = changes.customers[name]
  if customer[C.max_queued] >= 0 and not room[name] then
    local reserved = customer[C.reserved_until] > data.now and customer[C.reserved] or 0
    room[name] = customer[C.max_queued] - customer[C.waiting] - (takes_reserved and 0 or reserved)
  end
  return room[name]
end

-- Validation: nothing is written before all items are judged.
local results, refused, stored, room = {}, 0, {}, {}
local function refuse_quota(i, name)
  results[i], refused = { "quota_exceeded", name, changes.customers[name][C.max_queued] }, refused + 1
end
for i, item in ipairs(items) do
  local id, job = item[1], item[2]
  local existing = known[id]
  if existing and not stored[id] then
    results[i] = { "ok", id, existing[J.born_pending] == 1 and "pending" or "queued", 0, existing[J.created_at] }
  else
    local missing
    for _, dependency in ipairs(item[3]) do
      local other = stored[dependency] or (not own[dependency] and known[dependency])
      if not other or other[J.customer] ~= job[J.customer] then
        missing = missing or dependency
      end
    end
    if missing then
      results[i], refused = { "unknown_dependency", missing }, refused + 1
    elseif job[J.deadline_at] > 0 and job[J.deadline_at] <= data.now then
      results[i], refused = { "invalid_field", "/deadline" }, refused + 1
    else
      local left = room_of(job[J.customer], room)
      if left and left <= 0 then
        refuse_quota(i, job[J.customer])
      else
        room[job[J.customer]] = left and left - 1
        stored[id] = job
      end
    end
  end
end
for _, later in ipairs(reserve) do
  local left = room_of(later[1], room)
  if left and left < later[2] then
    refuse_quota(1, later[1])
  end
end
if refused > 0 and not partial then
  for i = 1, #items do
    results[i] = results[i] or { "not_stored" }
  end
  return cmsgpack.pack({ "refused", results })
end

load_workflows(changes, stored)
for _, later in ipairs(reserve) do
  local customer = changes.customers[later[1]]
  customer[C.reserved], customer[C.reserved_until] = later[2], data.now + RESERVED_MS
end
if takes_reserved then
  for _, job in pairs(stored) do
    local customer = changes.customers[job[J.customer]]
    customer[C.reserved] = math.max(0, customer[C.reserved] - 1)
  end
end
local strings, uses = changes.strings, {}

local function wait_for(id, job, dependencies)
  for _, dependency in ipairs(dependencies) do
    local other = stored[dependency] or known[dependency]
    if other[J.state] ~= "completed" then
      job[J.waiting] = job[J.waiting] + 1
      add_to(changes.sadd, KEY.dependants .. dependency, id)
      if other[J.dependants] == 0 then
        other[J.dependants] = 1
        keep_job(changes, dependency, other)
      end
      if other[J.ended_at] > 0 then
        add_to(changes.sadd, KEY.settle, dependency)
      end
    end
  end
end

local function list_job(id, job)
  add_to(changes.zadd, KEY.created, data.now, id)
  add_to(changes.zadd, KEY.created_of .. job[J.customer], data.now, id)
  if job[J.deadline_at] > 0 then
    add_to(changes.zadd, KEY.wall_deadlines, job[J.deadline_at], id)
  end
  if job[J.workflow] ~= "" then
    local workflow = changes.workflows[workflow_of(job)]
    workflow.open, workflow.changed = workflow.open + 1, true
    add_to(changes.sadd, KEY.workflow_jobs .. workflow_of(job), id)
  end
end

for i, item in ipairs(items) do
  local id, job = item[1], item[2]
  if stored[id] == job then
    job[J.created_at] = data.now
    if item[4] > 0 then
      job[J.run_at] = data.now + item[4]
    end
    wait_for(id, job, item[3])
    if job[J.waiting] > 0 or job[J.run_at] > data.now then
      job[J.state], job[J.born_pending] = "pending", 1
      if job[J.run_at] > data.now then
        add_to(changes.zadd, KEY.pending, job[J.run_at], id)
      end
    else
      enqueue(changes, id, job)
    end
    list_job(id, job)
    uses[job[J.shape]] = (uses[job[J.shape]] or 0) + 1
    count(changes, job, "", job[J.state])
    changes.totals.submitted = (changes.totals.submitted or 0) + 1
    tell_event(changes, id, job, job[J.state] == "queued" and "job_queued" or "job_pending", "", "", "", "")
    keep_job(changes, id, job)
    strings[#strings + 1] = KEY.envelope .. id
    strings[#strings + 1] = texts[i + 1]
    results[i] = { "ok", id, job[J.state], 0, data.now }
  end
end
local documents = {}
for _, shape in ipairs(shapes) do
  documents[shape[1]] = shape[2]
end
for base in pairs(uses) do
  assert(documents[base], "a job's shape is missing") -- before anything is written
end
local index = commit(changes)
for base, number in pairs(uses) do
  if redis.call("HINCRBY", KEY.shape_uses, base, number) == number then
    redis.call("HSET", KEY.shapes, base, documents[base])
  end
end

-- Positions: jobs of one call with the same line and priority stand one behind the other (but for older workflows).
local bases = {}
for i, item in ipairs(items) do
  local job = item[2]
  if stored[item[1]] == job and job[J.state] == "queued" then
    local group = job[J.priority] .. " " .. job[J.service]
    local base = job[J.major] == job[J.sequence] and bases[group]
    if base then
      results[i][4], bases[group] = base + 1, base + 1
    else
      results[i][4] = redis.call("ZRANK", KEY.line .. job[J.service], member_of(item[1], job)) + 1
      if job[J.major] == job[J.sequence] then
        bases[group] = results[i][4]
      end
    end
  end
end
if idempotency_id ~= "" then
  redis.call("SET", KEY.idempotency .. idempotency_id, cmsgpack.pack({ body_digest, results }), "EX", ANSWER_KEPT_SECONDS)
end
return answer(changes, results, index)
