-- What a script changes is collected first and written at its end, by a number of calls that does not grow with the jobs.
local function new_changes(data)
  return {
    data = data, jobs = {}, job_ids = {}, workers = {}, worker_ids = {}, told_workers = {}, strings = {}, deleted = {}, zadd = {}, zrem = {},
    sadd = {}, srem = {}, lanes = {}, events = {}, worker_events = {}, history = {}, counts = {}, totals = {}, workflows = {},
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

local function count(changes, from, to)
  if from ~= "" then
    changes.counts[from] = (changes.counts[from] or 0) - 1
  end
  if to ~= "" then
    changes.counts[to] = (changes.counts[to] or 0) + 1
  end
end
