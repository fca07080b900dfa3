-- begin_epoch: the data went back behind what a hub has seen: a new epoch, so that every hub reads its index anew.
-- moves    nothing
-- keys     prefix
-- args     { last entry number seen, epoch in which it was seen }
-- returns  { ok, { epoch } }, or no_dataset
-- emits    epoch_began
-- includes keys, record, open_data, commit, answer
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include record
-- @include open_data
-- @include commit
-- @include answer
local seen_number, seen_epoch = args[1], args[2]

local data = open_data()
if not data then
  return cmsgpack.pack({ "no_dataset", {} })
end
local changes = new_changes(data)
if data.epoch ~= seen_epoch and data.number >= seen_number then
  return answer(changes, { data.epoch }, "") -- another hub has told of it
end
data.number = math.max(data.number, seen_number) -- entry numbers, which are event ids, are never used twice
if data.epoch == seen_epoch then
  data.epoch = data.epoch + 1
end
changes.worker_events[1] = { "", "epoch_began", "", "" }
local index = commit(changes)
redis.call("HSET", KEY.dataset, "epoch", data.epoch)
return answer(changes, { data.epoch }, index)
