-- Answers and questions that processes share. Every verb runs whole or not at all.
--
-- KEYS[1] begins every key. ARGV: verb, epoch, who asks, tenant, and what the verb takes.
-- `now` is one hash of all that must be lost together: the run of the server, the epoch, the number of the last
-- deletion or change, that of each tenant's last deletion, and the generations. Without it nothing older is believed.

local root, verb, epoch, origin, tenant = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local state = root .. 'now'
local home = root .. epoch .. ':'
local GRAVES, REMEMBERED, COUNTED = 5000, 35 * 86400000, 90 * 86400

local function key(kind, name)
  return home .. kind .. ':' .. tenant .. ':' .. name
end

local function moment()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function publish(head, body)
  head.epoch, head.origin, head.tenant = epoch, origin, tenant
  redis.call('PUBLISH', root .. 'news', cjson.encode(head) .. '\n' .. (body or ''))
end

-- Has one of the labels been deleted since this was begun? A tenant's graves that were themselves lost hold everything.
local function gone(mark, first)
  local last = tonumber(redis.call('HGET', state, 'last:' .. tenant) or '0')
  if last <= mark then return false end
  local graves = home .. 'graves:' .. tenant
  if redis.call('EXISTS', graves) == 0 then return true end
  for i = first - 1, #ARGV do
    local score = redis.call('ZSCORE', graves, i < first and '' or ARGV[i])
    if score and tonumber(score) > mark then return true end
  end
  return false
end

-- A set of ids that is there as long as the last of them.
local function enter(set, id, life, time)
  redis.call('ZADD', set, string.format('%.0f', time + life), id)
  redis.call('ZREMRANGEBYSCORE', set, '-inf', string.format('%.0f', time))
  if redis.call('PTTL', set) < life then redis.call('PEXPIRE', set, string.format('%.0f', life)) end
end

local function enter_all(first, id, life)
  local time = moment()
  enter(home .. 'all:' .. tenant, id, life, time)
  for i = first, #ARGV do
    if ARGV[i] ~= 'i:' .. id then enter(key('of', ARGV[i]), id, life, time) end
  end
  return time
end

local verbs = {}

-- run of the server, a fresh epoch
function verbs.hello()
  local known = redis.call('HMGET', state, 'run', 'name')
  if not known[2] or known[1] ~= ARGV[5] then
    redis.call('DEL', state)
    redis.call('HSET', state, 'run', ARGV[5], 'name', ARGV[6], 'seq', '0')
    epoch = ARGV[6]
    publish({ kind = 'epoch' })
  end
  return redis.call('HGETALL', state)
end

function verbs.pulse()
  return redis.call('HGET', state, 'seq')
end

function verbs.graves()
  return redis.call('ZRANGE', home .. 'graves:' .. tenant, 0, -1, 'WITHSCORES')
end

-- exact key
function verbs.find()
  local id = redis.call('GET', key('x', ARGV[5]))
  if not id then return false end
  ARGV[5] = id
  return verbs.get()
end

-- id
function verbs.get()
  local value = redis.call('GET', key('a', ARGV[5]))
  if not value then return false end
  return { ARGV[5], value, redis.call('PTTL', key('a', ARGV[5])) }
end

-- id, mark, milliseconds, value, exact key, labels
function verbs.keep()
  local id, life = ARGV[5], tonumber(ARGV[7])
  if gone(tonumber(ARGV[6]), 10) then return 'gone' end
  redis.call('SET', key('a', id), ARGV[9] .. '\n' .. ARGV[8], 'PX', ARGV[7])
  redis.call('SET', key('x', ARGV[9]), id, 'PX', ARGV[7])
  enter_all(10, id, life)
  return 'kept'
end

-- id, mark, milliseconds, value, partition, most of a partition, labels
function verbs.save()
  local id, life = ARGV[5], tonumber(ARGV[7])
  if gone(tonumber(ARGV[6]), 11) then return 'gone' end
  redis.call('SET', key('q', id), ARGV[9] .. '\n' .. ARGV[8], 'PX', ARGV[7])
  local time = enter_all(11, id, life)
  local part = key('p', ARGV[9])
  enter(part, id, life, time)
  local over = redis.call('ZCARD', part) - tonumber(ARGV[10])
  if over > 0 then
    local popped = redis.call('ZPOPMIN', part, math.min(over, 100))
    for i = 1, #popped, 2 do redis.call('DEL', key('q', popped[i])) end
  end
  publish({ kind = 'member', id = id, life = life }, ARGV[8])
  return 'kept'
end

-- partition: ids, in one text, which a client reads a hundred times faster than a list
function verbs.ids()
  local time = string.format('%.0f', moment())
  return table.concat(redis.call('ZRANGEBYSCORE', key('p', ARGV[5]), time, '+inf'), ' ')
end

-- partition, ids: for each its value and the milliseconds that it has left
function verbs.members()
  local found = {}
  for i = 6, #ARGV do
    local value = redis.call('GET', key('q', ARGV[i]))
    if not value then redis.call('ZREM', key('p', ARGV[5]), ARGV[i]) end
    found[#found + 1] = value
    found[#found + 1] = redis.call('PTTL', key('q', ARGV[i]))
  end
  return found
end

local function bury(label)
  local seq = redis.call('HINCRBY', state, 'seq', 1)
  local graves = home .. 'graves:' .. tenant
  if label == '' then redis.call('DEL', graves) end
  redis.call('ZADD', graves, seq, label)
  local over = redis.call('ZCARD', graves) - GRAVES
  if over > 0 then
    -- The oldest are forgotten one by one, and with them all that is older still.
    local popped = redis.call('ZPOPMIN', graves, over)
    redis.call('ZADD', graves, popped[#popped], '')
  end
  redis.call('PEXPIRE', graves, REMEMBERED)
  redis.call('HSET', state, 'last:' .. tenant, seq)
  publish({ kind = 'gone', label = label, seq = seq })
  return seq
end

-- What stands before an entry's sealed part: where it can be found.
local function place(name)
  return string.match(redis.call('GETRANGE', name, 0, 255), '^[^\n]*')
end

-- Deletes one id, and a part of those that have its answer. Is all of it done? `ids` gets also those that have left
-- before: they may be held elsewhere.
local delete
function delete(id, most, ids)
  if string.sub(id, 1, 3) == 'cq_' then
    redis.call('ZREM', key('p', place(key('q', id))), id)
    redis.call('ZREM', home .. 'all:' .. tenant, id)
    ids.count = ids.count + redis.call('DEL', key('q', id))
    ids[#ids + 1] = id
    return true
  end
  local set = key('of', 'i:' .. id)
  local having = redis.call('ZRANGE', set, 0, most - 1)
  for _, member in ipairs(having) do
    delete(member, most, ids)
  end
  if #having > 0 then redis.call('ZREM', set, unpack(having)) end
  if #having == most then return false end
  local pointer = key('x', place(key('a', id)))
  if redis.call('GET', pointer) == id then redis.call('DEL', pointer) end
  redis.call('ZREM', home .. 'all:' .. tenant, id)
  ids.count = ids.count + redis.call('DEL', key('a', id))
  ids[#ids + 1] = id
  return true
end

-- label (empty: everything), the number given by the first part (0: this is it), most in one part
function verbs.purge()
  local label, seq, most, ids, more = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), { count = 0 }, false
  if seq == 0 then seq = bury(label) end
  if string.sub(label, 1, 2) == 'i:' then
    more = not delete(string.sub(label, 3), most, ids)
  else
    local set = label == '' and home .. 'all:' .. tenant or key('of', label)
    for _, id in ipairs(redis.call('ZRANGE', set, 0, most - 1)) do
      if #ids >= most or not delete(id, most, ids) then break end
      redis.call('ZREM', set, id)
    end
    more = redis.call('EXISTS', set) == 1
  end
  local count = ids.count
  ids.count = nil
  if #ids > 0 then publish({ kind = 'ids', ids = ids }) end
  return { seq, count, more and 1 or 0 }
end

-- label
function verbs.bump()
  local seq = redis.call('HINCRBY', state, 'seq', 1)
  redis.call('HSET', state, 'gen:' .. tenant .. '\31' .. ARGV[5], seq)
  publish({ kind = 'bump', label = ARGV[5], seq = seq })
  return seq
end

-- names and numbers
function verbs.count()
  local counts = home .. 'counts:' .. tenant
  for i = 5, #ARGV, 2 do redis.call('HINCRBYFLOAT', counts, ARGV[i], ARGV[i + 1]) end
  redis.call('EXPIRE', counts, COUNTED)
  return 'kept'
end

function verbs.counts()
  return redis.call('HGETALL', home .. 'counts:' .. tenant)
end

-- label (empty: everything): ids, in one text
function verbs.having()
  local set = ARGV[5] == '' and home .. 'all:' .. tenant or key('of', ARGV[5])
  return table.concat(redis.call('ZRANGEBYSCORE', set, string.format('%.0f', moment()), '+inf'), ' ')
end

function verbs.size()
  return redis.call('ZCOUNT', home .. 'all:' .. tenant, string.format('%.0f', moment()), '+inf')
end

if verb ~= 'hello' and redis.call('HGET', state, 'name') ~= epoch then return 'other' end
return verbs[verb]()
