-- What a script changes is collected first and written at its end, by a number of calls that does not grow with the jobs.
local function new_changes(data)
  return {
    data = data, jobs = {}, job_ids = {}, workers = {}, worker_ids = {}, told_workers = {}, strings = {}, deleted = {}, zadd = {}, zrem = {},
    sadd = {}, srem = {}, lanes = {}, events = {}, worker_events = {}, history = {}, counts = {}, totals = {}, workflows = {},
    customers = {}, customer_moves = {}, told_customers = {}, pauses = 0,
  }
end

local function add_to(collection, key, first, second)
  local list = collection[key]
  if not list then
    list = {}
    collection[key] = list
  end
  list[#list + 1] = first
  if second ~= nil then
    list[#list + 1] = second
  end
end

local function keep_job(changes, id, job)
  if not changes.jobs[id] then
    changes.job_ids[#changes.job_ids + 1] = id
  end
  changes.jobs[id] = job
end

-- `quiet`: nothing that a matcher looks at has changed.
local function keep_worker(changes, id, worker, quiet)
  if not changes.workers[id] then
    changes.worker_ids[#changes.worker_ids + 1] = id
  end
  changes.workers[id] = worker
  if not quiet then
    changes.told_workers[id] = true
  end
end

local WAITING = { pending = true, queued = true }
local ACTIVE = { assigned = true, accepted = true, in_progress = true }

local function moves_of(changes, customer)
  local moves = changes.customer_moves[customer]
  if not moves then
    moves = { active = 0, waiting = 0, queued = 0, charge = 0 }
    changes.customer_moves[customer] = moves
  end
  return moves
end

local function count_state(changes, job, state, by)
  if state == "" then
    return
  end
  changes.counts[state] = (changes.counts[state] or 0) + by
  local moves = moves_of(changes, job[J.customer])
  if WAITING[state] then
    moves.waiting = moves.waiting + by
    moves.queued = moves.queued + (state == "queued" and by or 0)
  elseif ACTIVE[state] then
    moves.active = moves.active + by
  end
end

-- A job has gone from one state to another ("": from or to nowhere): status counts and its customer's figures.
local function count(changes, job, from, to)
  count_state(changes, job, from, -1)
  count_state(changes, job, to, 1)
end
