-- forget_jobs: ended jobs are deleted with all that is their own: those named, or those whose keep time has passed.
-- moves    nothing
-- keys     prefix
-- args     { ids (empty: by time), limit }
-- returns  { ok, results: { { ok, id } | { not_found } | { wrong_state, state } | { unsettled } }, "" }, or no_dataset
-- emits    nothing
-- includes keys, record, open_data, load, workflow, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include workflow
-- @include commit

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local ids = args[1]
if #ids == 0 then
  ids = redis.call("ZRANGEBYSCORE", KEY.forget, "-inf", data.now, "LIMIT", 0, args[2])
end
if #ids == 0 then
  return { cmsgpack.pack({ "ok", {} }), "" }
end
local changes, results, shapes, emptied = new_changes(data), {}, {}, {}
local jobs = load_jobs(changes, ids)
for i, id in ipairs(ids) do
  local job = jobs[id]
  if not job then
    add_to(changes.zrem, KEY.forget, id)
    results[i] = { "not_found" }
  elseif job[J.ended_at] == 0 then
    results[i] = { "wrong_state", job[J.state] }
  elseif job[J.dependants] == 1 and redis.call("EXISTS", KEY.dependants .. id) == 1 then
    results[i] = { "unsettled" } -- they must learn of its end first
  else
    for _, noun in ipairs({ "job", "envelope", "result", "progress", "history", "dependants" }) do
      changes.deleted[#changes.deleted + 1] = KEY[noun] .. id
    end
    for _, key in ipairs({ KEY.forget, KEY.created, KEY.created_of .. job[J.customer], KEY.ended .. job[J.state], KEY.deadlines }) do
      add_to(changes.zrem, key, id)
    end
    if job[J.workflow] ~= "" then
      add_to(changes.srem, KEY.workflow_jobs .. workflow_of(job), id)
      emptied[workflow_of(job)] = true
    end
    shapes[job[J.shape]] = (shapes[job[J.shape]] or 0) + 1
    count(changes, job, job[J.state], "")
    results[i] = { "ok", id }
  end
end
commit(changes)
for shape, uses in pairs(shapes) do
  if redis.call("HINCRBY", KEY.shape_uses, shape, -uses) <= 0 then
    redis.call("HDEL", KEY.shape_uses, shape)
    redis.call("HDEL", KEY.shapes, shape)
  end
end
for workflow in pairs(emptied) do
  if redis.call("EXISTS", KEY.workflow_jobs .. workflow) == 0 then
    redis.call("DEL", KEY.workflow .. workflow)
  end
end
return { cmsgpack.pack({ "ok", results }), "" }
