-- settle_dependants: jobs that wait for ended ones are queued (all completed) or cancelled, and theirs after them.
-- moves    promote: pending -> queued; cancel: pending -> cancelled
-- keys     prefix
-- args     { limit }
-- returns  { ok, { settled, more (0 or 1) }, index }, or no_dataset
-- emits    job_queued, job_cancelled
-- includes keys, record, open_data, load, cancel, place, commit
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include load
-- @include cancel
-- @include place
-- @include commit

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local ended = redis.call("SRANDMEMBER", KEY.settle, 8)
if #ended == 0 then
  return { cmsgpack.pack({ "ok", { 0, 0 } }), "" }
end
local changes, settled, waiting_of, ids, room = new_changes(data), 0, {}, {}, args[1]
for i, id in ipairs(ended) do
  ids[i] = id
end
for _, id in ipairs(ended) do
  local dependants = room > 0 and redis.call("SRANDMEMBER", KEY.dependants .. id, room) or {}
  room = room - #dependants
  table.sort(dependants) -- ids rise with time: first in, first queued
  waiting_of[id] = dependants
  for _, dependant in ipairs(dependants) do
    ids[#ids + 1] = dependant
  end
end
local jobs = load_jobs(changes, ids)
load_workers_of(changes, jobs)
load_workflows(changes, jobs)

local function settle(id, job, completed, of)
  if not completed then
    cancel(changes, id, job, "dependency_failed", "job " .. of .. ", on which it depends, did not complete")
    return
  end
  job[J.waiting] = job[J.waiting] - 1
  if job[J.waiting] == 0 and job[J.run_at] > data.now then
    add_to(changes.zadd, KEY.pending, job[J.run_at], id) -- it was taken out if the clock has been put back
  elseif job[J.waiting] == 0 then
    enqueue(changes, id, job)
    count(changes, job, "pending", "queued")
    tell_event(changes, id, job, "job_queued", "", "", "", "")
  end
  keep_job(changes, id, job)
end

for _, id in ipairs(ended) do
  local dependants = waiting_of[id]
  local completed = jobs[id] and jobs[id][J.state] == "completed"
  for _, dependant in ipairs(dependants) do
    local job = jobs[dependant]
    add_to(changes.srem, KEY.dependants .. id, dependant)
    if job and job[J.state] == "pending" and job[J.waiting] > 0 then
      settle(dependant, job, completed, id)
      settled = settled + 1
    end
  end
  if #dependants == 0 and room > 0 then
    add_to(changes.srem, KEY.settle, id)
  end
end
local index = commit(changes)
return { cmsgpack.pack({ "ok", { settled, redis.call("EXISTS", KEY.settle) } }), index }
