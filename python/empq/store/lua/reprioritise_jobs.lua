-- reprioritise_jobs: changes priorities; a queued job changes its place, keeping its sequence.
-- moves    reprioritise: pending, queued, assigned, accepted, in_progress -> the same
-- keys     prefix
-- args     { items: { { id, priority } } }
-- returns  { index, results: { { ok } | { not_found } | { wrong_state, state } } }, or no_dataset
-- emits    nothing
-- includes keys, record, open_data, load, place, fence, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include place
-- @include fence
-- @include commit

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes, results = new_changes(data), {}
local jobs = load_jobs(changes, ids_of(args[1]))
for i, item in ipairs(args[1]) do
  local id, job = item[1], jobs[item[1]]
  if not job then
    results[i] = { "not_found" }
  elseif job[J.ended_at] > 0 then
    results[i] = { "wrong_state", job[J.state] }
  else
    assert(item[2] >= 0 and item[2] <= 100, "priority") -- before anything is written
    job[J.priority] = item[2]
    if job[J.state] == "queued" then
      -- The same members with another score: ZADD moves them.
      changes.lanes[job[J.lane]] = true
      add_to(changes.zadd, KEY.lane .. job[J.lane], rank_of(changes, job), member_of(id, job))
      add_to(changes.zadd, KEY.line .. job[J.service], rank_of(changes, job), member_of(id, job))
    end
    keep_job(changes, id, job)
    results[i] = { "ok" }
  end
end
local index = #changes.job_ids > 0 and commit(changes) or ""
return { cmsgpack.pack({ "ok", results }), index }
