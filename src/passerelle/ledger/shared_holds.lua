-- Money that several processes set aside and spend, in whole nano-units. Each run is atomic, and may be repeated.
--
-- KEYS  1 spent: a hash of one month, by the name of a total; `.epoch` names its life, `.seq:<process>` the last post
--       2 pending: a hash by the name of a total        3 held: a hash by hold, "amount<US>name<US>name"
--       4 leases: a sorted set, hold by the millisecond at which it ends
-- ARGV  verb, process, the epoch that it knows ("" none), an epoch for a hash that is new, lease in milliseconds,
--       number of names, four for each name: name, spent without and with what was not sent yet, what is sent;
--       then by verb. Of a total that the process has not heard of before, the first of the two is `~least:begin`: what
--       it is to begin with, and what it is at least, whether or not what was not sent yet has come in between.
-- A number is a double here and exact up to 2^53; what is stored is added up by the server, exact up to 2^63.

local spent, pending, held, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local verb, process, known, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local count = tonumber(ARGV[6])
local rest = 7 + 4 * count
local KEPT = 70 * 86400000 -- longer than a month and what is settled after it

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function whole(number) return string.format('%.0f', number) end

local function each_name(raw, sign)
  local first = string.find(raw, '\31', 1, true)
  local amount = string.sub(raw, 1, first - 1)
  if amount == '0' then return end -- there is no -0
  for name in string.gmatch(string.sub(raw, first + 1), '[^\31]+') do
    redis.call('HINCRBY', pending, name, sign .. amount)
  end
end

local function give_back(id)
  local raw = redis.call('HGET', held, id)
  if raw then
    each_name(raw, '-')
    redis.call('HDEL', held, id)
  end
  redis.call('ZREM', leases, id)
end

local function set_aside(id, raw)
  if redis.call('HSET', held, id, raw) == 1 then each_name(raw, '') end
  redis.call('ZADD', leases, whole(now + lease), id)
  for i = 2, 4 do redis.call('PEXPIRE', KEYS[i], whole(KEPT)) end
end

local function at_least(name, amount)
  local there = redis.call('HGET', spent, name)
  if not there or tonumber(there) < tonumber(amount) then redis.call('HSET', spent, name, amount) end
end

-- What a process counted before it had heard of a total, it has told nobody: the total is at least that.
local function met(i)
  local least, begin = string.match(ARGV[i + 1], '^~(%-?%d+):(%-?%d+)$')
  if redis.call('HSETNX', spent, ARGV[i], begin or ARGV[i + 1]) == 0 and least then at_least(ARGV[i], least) end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', whole(now), 'LIMIT', '0', '200')) do give_back(id) end

if verb == 'renew' then -- pairs of a hold and what it is; those that were lost are set aside again
  for i = rest, #ARGV, 2 do set_aside(ARGV[i], ARGV[i + 1]) end
  return ''
end

local epoch = redis.call('HGET', spent, '.epoch')
if not epoch then
  epoch = ARGV[4]
  redis.call('HSET', spent, '.epoch', epoch)
  redis.call('PEXPIRE', spent, whole(KEPT))
end
local stale = known ~= '' and known ~= epoch
local result = 0

if verb == 'post' then -- its number, then the holds that are given back
  local number = tonumber(ARGV[rest])
  local last = tonumber(redis.call('HGET', spent, '.seq:' .. process) or '0')
  for i = 7, rest - 1, 4 do
    if stale then
      -- Of what was counted since, nobody knows what the hash was begun with: it is at least what we know.
      at_least(ARGV[i], ARGV[i + 2])
    else
      met(i)
      if number > last and ARGV[i + 3] ~= '0' then redis.call('HINCRBY', spent, ARGV[i], ARGV[i + 3]) end
    end
  end
  if number > last then redis.call('HSET', spent, '.seq:' .. process, ARGV[rest]) end
  for i = rest + 1, #ARGV do give_back(ARGV[i]) end
else -- take: the hold, what it is, its amount; then pairs of a name's place and its ceiling
  for i = 7, rest - 1, 4 do
    if stale then at_least(ARGV[i], string.match(ARGV[i + 1], '%-?%d+$')) else met(i) end
  end
  local id, raw, amount = ARGV[rest], ARGV[rest + 1], tonumber(ARGV[rest + 2])
  if redis.call('HEXISTS', held, id) == 0 then
    for i = rest + 3, #ARGV, 2 do
      local name = ARGV[7 + 4 * tonumber(ARGV[i])]
      local left = tonumber(ARGV[i + 1]) - tonumber(redis.call('HGET', spent, name))
      if left <= 0 or tonumber(redis.call('HGET', pending, name) or '0') + amount > left then
        result = (i - rest - 3) / 2 + 1
        break
      end
    end
    if result == 0 then set_aside(id, raw) end
  end
end

local out = { epoch, verb == 'post' and (stale and '1' or '0') or whole(result) }
for i = 7, rest - 1, 4 do
  out[#out + 1] = redis.call('HGET', spent, ARGV[i])
  out[#out + 1] = redis.call('HGET', pending, ARGV[i]) or '0'
end
return table.concat(out, ' ')
