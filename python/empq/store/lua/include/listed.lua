-- @include end_attempt
-- @include load
-- A worker says what it holds. Listed and held: stays alive. Listed and not held: to be stopped. Held and unlisted:
-- a cancelled job's slot is free; another is lost when a heartbeat 250 ms or more after the first that left it out does so too.
local UNLISTED_MS = 250

-- Returns keep (ids), stop ({ id, attempt }), cancel ({ id, attempt, reason }).
local function compare_listed(changes, jobs, worker_id, worker, listed)
  local now, named, keep, stop, told, missing = changes.data.now, {}, {}, {}, {}, {}
  for _, entry in ipairs(listed) do
    local index = held_index(worker, entry[1], entry[2])
    named[entry[1] .. " " .. entry[2]] = true
    if not index then
      stop[#stop + 1] = { entry[1], entry[2] }
    elseif worker[W.held][index][H.cancelled] > 0 then
      told[#told + 1] = { entry[1], entry[2], worker[W.held][index][H.reason] }
    else
      keep[#keep + 1] = entry[1]
    end
  end
  for _, held in ipairs(worker[W.held]) do
    -- The job of a cancelled slot may be forgotten already: then its worker's record alone tells when the 30 s are over.
    local is_over = held[H.cancelled] > 0 and not jobs[held[H.job]] and held[H.cancelled] <= changes.data.clock
    if named[held[H.job] .. " " .. held[H.attempt]] and not is_over then
      held[H.missing_since] = 0
    else
      missing[#missing + 1] = held
    end
  end
  for _, held in ipairs(missing) do
    local id, job = held[H.job], jobs[held[H.job]]
    if held[H.cancelled] > 0 or not job or job[J.worker] ~= worker_id or job[J.attempt] ~= held[H.attempt] then
      free_slot(changes, worker_id, id, held[H.attempt])
      add_to(changes.zrem, KEY.deadlines, id)
    elseif held[H.missing_since] == 0 then
      held[H.missing_since] = now
    elseif now - held[H.missing_since] >= UNLISTED_MS then
      end_attempt(changes, id, job, "lost", { message = "its worker " .. worker_id .. " no longer lists it" })
    end
  end
  return keep, stop, told
end

local function held_jobs(changes, worker_ids)
  local ids = {}
  for _, worker_id in ipairs(worker_ids) do
    for _, held in ipairs(changes.known[worker_id] and changes.known[worker_id][W.held] or {}) do
      ids[#ids + 1] = held[H.job]
    end
  end
  local jobs = load_jobs(changes, ids)
  load_workflows(changes, jobs)
  return jobs
end
