-- @include workflow
-- Where a queued job stands: its lane and its rank in it.
local LEVEL = 70368744177664 -- 2^46 sequences a priority; with priority 0 still below 2^53, exact in a double

-- With ageing on (ms a level of priority) waiting makes up for priority: linear, so two queued jobs never swap.
local function rank_of(changes, job)
  if changes.data.ageing > 0 then
    return job[J.queued_at] - job[J.priority] * changes.data.ageing
  end
  return (100 - job[J.priority]) * LEVEL + job[J.major]
end

local function member_of(id, job)
  return string.format("%016x", job[J.sequence]) .. id
end

-- `<base>` or `<base>!w1,w2`, then ':' and the customer.
local function lane_of(job)
  local shape = job[J.shape]
  if #job[J.avoided] > 0 then
    local names = {}
    for i, avoided in ipairs(job[J.avoided]) do
      names[i] = avoided[1]
    end
    table.sort(names)
    shape = shape .. "!" .. table.concat(names, ",")
  end
  return shape .. ":" .. job[J.customer]
end

-- Workers avoided for a while more; the job changes its lane when the first of them may take it again.
local function still_avoided(changes, id, job)
  local kept, first = {}, nil
  for _, avoided in ipairs(job[J.avoided]) do
    if avoided[2] > changes.data.clock then
      kept[#kept + 1] = avoided
      first = math.min(first or avoided[2], avoided[2])
    end
  end
  job[J.avoided] = kept
  if first then
    add_to(changes.zadd, KEY.avoidances, first, id)
  end
end

local function stand(changes, id, job)
  if #job[J.avoided] > 0 then
    still_avoided(changes, id, job)
  end
  local lane, member, rank = lane_of(job), member_of(id, job), rank_of(changes, job)
  job[J.lane] = lane
  changes.lanes[lane] = true
  add_to(changes.zadd, KEY.lane .. lane, rank, member)
  add_to(changes.zadd, KEY.line .. job[J.service], rank, member)
end

local function unstand(changes, id, job)
  local member = member_of(id, job)
  changes.lanes[job[J.lane]] = true
  add_to(changes.zrem, KEY.lane .. job[J.lane], member)
  add_to(changes.zrem, KEY.line .. job[J.service], member)
  job[J.lane] = ""
end

-- The sequence is given once, when a job is first queued; a workflow keeps the first of its jobs.
local function give_sequence(changes, job)
  if job[J.sequence] > 0 then
    return
  end
  local data = changes.data
  data.sequence = data.sequence + 1
  job[J.sequence] = data.sequence
  job[J.major] = data.sequence
  if job[J.workflow] ~= "" then
    local workflow = changes.workflows[workflow_of(job)]
    if workflow and workflow.seq > 0 then
      job[J.major] = workflow.seq
    elseif workflow then
      workflow.seq, workflow.changed = data.sequence, true
    end
  end
end

local function enqueue(changes, id, job)
  give_sequence(changes, job)
  if job[J.queued_at] == 0 then
    job[J.queued_at] = changes.data.now
  end
  job[J.state] = "queued"
  stand(changes, id, job)
end
