-- open_dataset: a hub begins: the data set's own record is made where there is none; settings kept with the data are read, or written where asked.
-- moves    nothing
-- keys     prefix
-- args     { id for a new data set, { { name, stated value or "", default } }, change (0 or 1), id of the data set that is expected or "" }
-- returns  { ok, { id, epoch, number, { { name, value } }, changed (0 or 1) } } | { settings_differ, { name, kept, stated } } | { jobs_are_queued, { name, kept, stated } } | { ageing_with_order, { name, ageing, order } } | { other_dataset, { id or "" } }
-- emits    nothing
-- includes keys, now_ms
local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
-- @include keys
-- @include now_ms
local new_id, settings, change = args[1], args[2], args[3]

local names = { "id", "epoch", "number" }
for _, setting in ipairs(settings) do
  names[#names + 1] = setting[1]
end
local read = redis.call("HMGET", KEY.dataset, unpack(names))
if args[4] ~= "" and read[1] ~= args[4] then
  return cmsgpack.pack({ "other_dataset", { read[1] or "" } })
end
local values, write, changed = {}, {}, 0
for i, setting in ipairs(settings) do
  local kept, stated = read[i + 3], setting[2]
  if kept and stated ~= "" and kept ~= stated then
    if change == 0 then
      return cmsgpack.pack({ "settings_differ", { setting[1], kept, stated } })
    end
    if setting[1] == "ageing_ms" and redis.call("SCARD", KEY.lanes) > 0 then
      return cmsgpack.pack({ "jobs_are_queued", { setting[1], kept, stated } })
    end
    changed = 1
  end
  local value = stated ~= "" and (change == 1 or not kept) and stated or kept or setting[3]
  values[i] = { setting[1], value }
  write[#write + 1], write[#write + 2] = setting[1], value
end
local by_name = {}
for _, value in ipairs(values) do
  by_name[value[1]] = value[2]
end
if tonumber(by_name.ageing_ms) > 0 and by_name.order ~= "fifo" then
  return cmsgpack.pack({ "ageing_with_order", { "ageing_ms", by_name.ageing_ms, by_name.order } })
end
if not read[1] then
  local now = now_ms()
  redis.call("HSET", KEY.dataset, "id", new_id, "epoch", 1, "number", 0, "sequence", 0, "clock", 0, "clock_at", now, "grace_until", 0)
  read = { new_id, "1", "0" }
end
redis.call("HSET", KEY.dataset, unpack(write))
return cmsgpack.pack({ "ok", { read[1], tonumber(read[2]), tonumber(read[3]), values, changed } })
