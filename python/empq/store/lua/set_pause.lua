-- set_pause: assignments stop for a worker, a service, a job type or a customer, or go on.
-- moves    nothing
-- keys     prefix
-- args     { pause id, pause JSON ("": the pause ends) }
-- returns  { ok, {}, 0 }, { not_found }, or no_dataset
-- emits    pauses_changed
-- includes keys, record, open_data, pauses, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include pauses
-- @include commit
-- @include answer
local id, pause = args[1], args[2]

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
if pause == "" and redis.call("HEXISTS", KEY.pauses, id) == 0 then
  return cmsgpack.pack({ "not_found", {} })
end
if pause ~= "" then
  local stated = cjson.decode(pause) -- raises before anything is written
  assert(stated.scope .. stated.name)
end
local changes = new_changes(data)
if pause == "" then
  redis.call("HDEL", KEY.pauses, id)
else
  redis.call("HSET", KEY.pauses, id, pause)
end
redis.call("HSET", KEY.dataset, "pauses", redis.call("HLEN", KEY.pauses))
changes.pauses = pauses_part()
changes.worker_events[1] = { "", "pauses_changed", "", "" }
return answer(changes, {}, commit(changes))
