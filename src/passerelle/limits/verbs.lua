-- The verbs of limits, each one atomic. The twin in memory.py does the same arithmetic in the same order.
--
-- KEYS[1]  the call: a hash of what it holds of each rate (by the rate's key), `until` (end of its lease), `done`
-- KEYS[n]  a limit: of a rate "level moment"; of places a sorted set, call by the end of its lease
-- ARGV     verb, call id, moment (empty: the server's), lease; then three for each limit: "r" or "p", limit, number
-- Times are microseconds. Every key ends by itself.

local verb, id, given, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local MINUTE = 60000000
local SLACK = 1 + 1e-12
local WEEK = 604800000
local now = tonumber(given)
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local held, done, until_ = {}, false, 0
if id ~= '' then
  local raw = redis.call('HGETALL', KEYS[1])
  for i = 1, #raw, 2 do held[raw[i]] = raw[i + 1] end
  until_ = tonumber(held['until'] or '0')
  done = held['done'] ~= nil and until_ > now
  if until_ <= now then held = {} end
end

local function put(key, level, limit)
  local left = math.min(WEEK, math.ceil(level * 60000 / limit))
  redis.call('SET', key, string.format('%.17g %.0f', level, now), 'PX', string.format('%.0f', left + 1000))
end

local function level_of(key, limit)
  local raw = redis.call('GET', key)
  if not raw then return 0 end
  local level, at = string.match(raw, '^(%S+) (%S+)$')
  level, at = tonumber(level), tonumber(at)
  if now > at then return math.max(0, level - (now - at) * limit / MINUTE) end
  if now < at then put(key, level, limit) end -- the clock went back: time counts from here
  return level
end

local function open_call()
  if until_ <= now then
    if until_ > 0 then redis.call('DEL', KEYS[1]) end
    until_ = now + lease
    redis.call('HSET', KEYS[1], 'until', string.format('%.0f', until_))
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease / 1000))
  end
end

-- Nothing is removed before something is written: a server without memory refuses a script's first write only.
local function take_place(key)
  redis.call('ZADD', key, string.format('%.0f', until_), id)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  redis.call('PEXPIRE', key, string.format('%.0f', lease / 1000))
end

local function acquire()
  local admitted, out, used, wanted = 1, {}, {}, {}
  for i = 2, #KEYS do
    local at = 3 * i - 1
    local limit, cost = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    if ARGV[at] == 'p' then
      used[i] = redis.call('ZCOUNT', KEYS[i], string.format('(%.0f', now), '+inf')
      wanted[i] = cost
      local until_place = used[i] > 0 and redis.call('ZSCORE', KEYS[i], id)
      if until_place and tonumber(until_place) > now then wanted[i] = 0 end
    else
      used[i] = level_of(KEYS[i], limit)
      wanted[i] = math.max(0, cost - tonumber(held[KEYS[i]] or '0'))
    end
    if done then wanted[i] = 0 end
    if wanted[i] > 0 and used[i] + wanted[i] > limit * SLACK then admitted = 0 end
  end
  out[1] = tostring(admitted)
  for i = 2, #KEYS do
    if admitted == 1 and wanted[i] > 0 then
      local at = 3 * i - 1
      open_call()
      used[i] = used[i] + wanted[i]
      if ARGV[at] == 'p' then
        take_place(KEYS[i])
      else
        put(KEYS[i], used[i], tonumber(ARGV[at + 1]))
        redis.call('HSET', KEYS[1], KEYS[i], ARGV[at + 2])
      end
      wanted[i] = 0
    end
    out[#out + 1] = string.format('%.17g', used[i])
    out[#out + 1] = string.format('%.0f', wanted[i])
  end
  return table.concat(out, ' ') -- one string is read faster than many
end

local function settle()
  if done then return 0 end
  for i = 2, #KEYS do
    local at = 3 * i - 1
    local limit = tonumber(ARGV[at + 1])
    if ARGV[at] == 'p' then
      redis.call('ZREM', KEYS[i], id)
    elseif ARGV[at + 2] ~= '' then
      local level = level_of(KEYS[i], limit) + tonumber(ARGV[at + 2]) - tonumber(held[KEYS[i]] or '0')
      put(KEYS[i], math.max(0, level), limit)
    end
  end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'done', '1', 'until', string.format('%.0f', now + lease))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease / 1000))
  return 1
end

local function renew()
  if done then return 0 end
  open_call()
  until_ = now + lease
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', until_))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease / 1000))
  for i = 2, #KEYS do take_place(KEYS[i]) end
  return 1
end

if verb == 'acquire' then return acquire() end
if verb == 'settle' then return settle() end
return renew()
