-- @include changes
-- @include bulk
-- @include customers
-- Writes all that was collected, then one log entry. Returns the entry's index part, "" where nothing was to be told.
local function lanes_part(changes)
  local part, filled, emptied = {}, {}, {}
  for lane in pairs(changes.lanes) do
    local head = redis.call("ZRANGE", KEY.lane .. lane, 0, 0, "WITHSCORES")
    local total = head[1] and redis.call("ZCARD", KEY.lane .. lane) or 0
    part[#part + 1] = { lane, tonumber(head[2] or 0), head[1] or "", total }
    local list = total > 0 and filled or emptied
    list[#list + 1] = lane
  end
  bulk(filled, "SADD", KEY.lanes)
  bulk(emptied, "SREM", KEY.lanes)
  return part
end

local function worker_entry(id, worker)
  local held = {}
  for i, job in ipairs(worker[W.held]) do
    held[i] = { job[H.customer], job[H.service], job[H.strict] }
  end
  return { id, worker[W.version], worker[W.state], worker[W.idle_since], held }
end

local function write_collections(changes)
  bulk(changes.deleted, "DEL")
  for key, members in pairs(changes.zrem) do
    bulk(members, "ZREM", key)
  end
  for key, pairs_of in pairs(changes.zadd) do
    bulk(pairs_of, "ZADD", key)
  end
  for key, members in pairs(changes.srem) do
    bulk(members, "SREM", key)
  end
  for key, members in pairs(changes.sadd) do
    bulk(members, "SADD", key)
  end
  for id, entries in pairs(changes.history) do
    bulk(entries, "RPUSH", KEY.history .. id)
  end
  for status, change in pairs(changes.counts) do
    if change ~= 0 then
      redis.call("HINCRBY", KEY.counts, status, change)
    end
  end
  for name, change in pairs(changes.totals) do
    redis.call("HINCRBY", KEY.totals, name, change)
  end
end

local function write_records(changes)
  local strings = changes.strings
  for _, id in ipairs(changes.job_ids) do
    strings[#strings + 1] = KEY.job .. id
    strings[#strings + 1] = cmsgpack.pack(changes.jobs[id])
  end
  for _, id in ipairs(changes.worker_ids) do
    strings[#strings + 1] = KEY.worker .. id
    strings[#strings + 1] = cmsgpack.pack(changes.workers[id])
  end
  bulk(strings, "MSET")
end

local function write_workflows(changes)
  for id, workflow in pairs(changes.workflows) do
   if workflow.changed then
    local ended = workflow.closed and workflow.open == 0
    redis.call("HSET", KEY.workflow .. id, "seq", workflow.seq, "open", workflow.open, "ended_at", ended and changes.data.now or 0)
    if ended then
      changes.events[#changes.events + 1] = { "", "workflow_completed", "", 0, changes.data.now, 0, "", workflow.customer, "", workflow.name, 0, "", "", "", 0 }
    end
   end
  end
end

local LOG_ENTRIES = 100000

local function commit(changes)
  local data = changes.data
  write_records(changes)
  write_collections(changes)
  write_workflows(changes)
  write_shape_seconds(changes)
  local lanes, workers, customers = lanes_part(changes), {}, write_customers(changes)
  for _, id in ipairs(changes.worker_ids) do
    if changes.told_workers[id] then
      workers[#workers + 1] = worker_entry(id, changes.workers[id])
    end
  end
  local index = ""
  if #lanes + #workers + #customers + #changes.events + #changes.worker_events > 0 then
    data.number = data.number + 1
    if #customers > 0 or changes.pauses ~= 0 then
      index = cmsgpack.pack({ data.number, lanes, workers, changes.pauses, customers })
    else
      index = cmsgpack.pack({ data.number, lanes, workers })
    end
    local jobs = cmsgpack.pack({ data.number, data.epoch, changes.events, changes.worker_events })
    redis.call("XADD", KEY.events, "MAXLEN", "~", LOG_ENTRIES, string.format("%.0f", data.number) .. "-0", "i", index, "j", jobs, "t", data.now)
  end
  redis.call("HSET", KEY.dataset, "number", data.number, "sequence", data.sequence, "clock", data.clock, "clock_at", data.now, "grace_until", data.grace, "virtual", data.virtual)
  return index
end
