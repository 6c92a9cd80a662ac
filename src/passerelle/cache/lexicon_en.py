"""English words that mean the same in a question, a group a line: `concept: forms`.

A concept that ends in `+` or `-` is the opposite of the one that ends in the other sign. Two different concepts of
one class (what stands before the dot) are never the same thing. Forms are folded; those of several words are
looked for first, the longest first. `drop` says nothing about what is asked.
"""

GROUPS = """
drop: i am not sure, i m not sure, not sure, do not understand, do not know how to, do not know, have no idea, no idea, i have no clue, no clue,
drop: can you tell me, could you tell me, can you explain, could you explain, do you know, i would like to know, i want to know, i wish to know, i need to know, i was wondering, i wonder, let me know, how can i, how can we, how can you, how can one, where can i, where can we, what can i, when can i, how may i, is there a way to, is there any way to, is there a way, what is the way to, what is the best way to, best way to, what are the steps to, steps to, what is the procedure to, what is the process for, what do i have to do to, what should i do to, what do i need to do to, what should i do, what can i do, what do i do, what to do, how should i react, how do i go about it, how do i go about, how to go about, tell me, show me, help me, hello, hi, please, thanks, thank you, would you mind, any idea, i want to, i would like to, i need to, i am trying to, i have to know, give me, walk me through, explain to me, how does one, at all, right now, in order to, go about, entitled to, am i able to, are we able to, be able to, which ones, kind of, sort of, there a
drop: i have never had a problem, i have never had issue, never had issue, never had any problem, i am not happy with, i m not happy with, not happy, is something wrong, am i wrong, no idea why, no matter where, no matter what, can not figure out how to, do not understand why, do not know why, why not, if not
drop: need, want, wish, like, way, step, procedure, process, method, instruction, guide, possible, able, know, tell, explain, describe, make, get, take, go, use, give, have, has, had, having, must, should, please, thing, something, anything, one, ones, way, kind, type, exactly, actually, just, really, currently, provide, let, try, trying, happen, apply, called, exist, using, used, user, own, people, person, someone, anyone, everyone, employee, worker, customer, command, function, formula, say, mean, find, much, get, got, put, work out, concern, regard, perform, carry, proper, correct, necessary, paperless, general, normally, usually, typically, everything, still, already, also, new, per, s, ve, ll, re, m, d, t, even, maybe, id est
a.cancel: cancel, canceled, cancelled, cancelling, cancellation, terminate, termination, unsubscribe, discontinue, end my, end a, end the, put an end to, opt out
a.pause: pause, suspend, suspension, freeze, put on hold, hold
a.renew: renew, renewal, extend, extension, prolong
a.reset: reset, recover, recovery, retrieve, forgot, forgotten, lost my password, forget
a.change: change, modify, modification, update, edit, alter, adjust, amend
a.delete-: delete, deletion, remove, removal, drop, erase, get rid of, take out, wipe, uninstall
a.delete+: add, addition, insert, append, install, setup a new
a.power+: enable, activate, activation, turn on, switch on, set up, power on, start up, enabled, activated
a.power-: disable, deactivate, deactivation, turn off, switch off, power off, shut down, shut off, disabled
a.open+: open, opening, reopen, create, creation
a.open-: close, closing, closure, shut
a.lock+: lock, block, blocked, locked
a.lock-: unlock, unblock, unlocked, unblocked
a.begin+: start, begin, commence, starting, launch
a.begin-: stop, finish, halt, quit
a.log+: log in, login, sign in, log into, sign into, signin, connect to my account
a.log-: log out, logout, sign out, signout, log off, sign off
a.enrol+: sign up, register, registration, enrol, enroll, enrolment, enrollment, subscribe
a.enrol-: unregister, withdraw from, leave the
a.buy+: buy, purchase, order, buying, ordering, bought, acquire, ordered
a.buy-: sell, selling, sold, sale, resell
a.send+: send, sent, sending, mail out, dispatch, transmit
a.send-: receive, receipt of, received, receiving
a.move+: upload, import
a.move-: download, export
a.grant+: grant, give access
a.grant-: revoke, withdraw access
a.accept+: accept, approve, approval, acceptance
!a.accept-: reject, refuse, decline, declined, declining, refusal, rejected, refused, turn down, turned down, deny, denied, denying
a.raise+: increase, raise, boost, enlarge, grow, expand, improve, maximise, maximize, higher, gain, rise, go up
a.raise-: decrease, reduce, lower, lessen, shrink, cut down, minimise, minimize, reduction, lose, fall, go down, drop in
a.encrypt+: encrypt, encryption, encode
a.encrypt-: decrypt, decryption, decode
a.compress+: compress, zip, pack
a.compress-: decompress, unzip, extract, unpack
a.lend+: lend, loan out
a.lend-: borrow, take out a loan, borrowing
a.win+: win, won, winner, beat, defeat
a.win-: lose to, lost to, loser
a.show+: show, display, reveal
a.show-: hide, mask, conceal
a.mute+: mute, silence
a.mute-: unmute
a.merge+: merge, combine, join, concatenate
a.merge-: split, separate, divide
a.freeze-: defrost, thaw
a.heat+: heat, warm
a.heat-: cool, chill, cool down
a.pay: pay, paid, payment, settle, paying
a.refund: refund, refunded, reimburse, reimbursement, money back, refunding
a.contest: contest, appeal, dispute, challenge, oppose
a.convert: convert, conversion, exchange, transform, turn into, change into
a.sort: sort, rank, sorted, sorting, sorts
a.copy: copy, duplicate, clone
a.rename: rename, change the name
a.cook: cook, boil, boiling, cooking, boils
a.write: write, wrote, written, author, writer, novelist
a.play: star, stars in, starring, act in, actor
a.deduct: deduct, deductible, deduction, write off, deductable
a.withdraw: withdraw, withdrawal, retract, retraction, change my mind, cooling off, cash out
a.deposit: deposit, top up, topup, top-up, pay in, topping up
a.transfer: transfer, wire, transferred, transferring
a.deliver: deliver, delivery, shipping, ship, shipped, shipment, delivered
a.return: return, send back, give back, bring back
a.repair: repair, fix, mend, fixing, solve, resolve, troubleshoot
a.replace: replace, replacement, swap
a.travel: travel, fly, flight, plane, journey, airplane
a.verify: verify, verification, validate, check, confirm, validation
a.contact: contact, reach, get in touch, get in touch with, call, speak to, talk to
a.apply: file a, filing a, apply for, application for, request, file for, claim
a.save: save, keep, backup, back up
a.restore: restore, undo, revert, roll back
a.share: share
a.print: print
a.read: read
a.translate: translate, translation
a.hire+: hire, recruit, employ
a.hire-: fire, dismiss, lay off, sack, dismissal
a.resign: resign, resignation, quit my job, leave my job
a.rent: rent, renting, lease
a.sleep: sleep, asleep
a.eat: eat, consume
a.drink: drink
a.clean: clean, wash, cleaning, washing
a.invent: invent, invented, inventor, discover, discovered
a.found: founder, founded, found the company, established
a.paint: paint, painted, painter
a.cause: cause, provoke, trigger, lead to
a.born+: born, birth, birthday
a.born-: die, died, death, dead
a.break: break, damaged
a.work: work, working, works, function properly, functional, succeed, succeeded, successful, go through, goes through, went through, going through, gone through
!a.work: fail, failed, failing, fails, failure, unsuccessful, out of order, broken
!n.wrong: wrong, wrongly, incorrect, incorrectly, not correct, not right, not the right, not the correct
!: free of, free from, hardly, barely, scarcely, seldom
!a.send-: yet to receive, yet to get
p.free: free of charge, for free, at no cost, free
a.reset: do not remember, can not remember, could not remember, not remember
p.when+: before, prior to, ahead of, earlier than
p.when-: after, following, later than, once i have
p.side+: above, over the, more than, over, at least, minimum, exceed, no less than
p.side-: below, under, less than, at most, maximum, up to, no more than, fewer than
p.much+: more, most, best, biggest, largest, highest, cheapest to, longest, greatest, oldest, fastest, strongest
p.much-: less, least, worst, smallest, lowest, fewest, shortest, youngest, slowest, weakest
p.cost+: expensive, costly, dear, dearest
p.cost-: cheap, cheaper, cheapest, affordable, inexpensive
p.size+: big, large, bigger, larger, tall, taller
p.size-: small, little, smaller, tiny, short, shorter
p.length+: long, longer
p.age+: old, older, elderly, senior
p.age-: young, younger, junior
p.speed+: fast, faster, quick, quickly, speed up
p.speed-: slow, slower, slowly, slow down
p.order-: descending order, decreasing order, descending, decreasing, largest to smallest, highest to lowest, biggest to smallest, reverse order, greatest to least, newest first, z to a
p.order+: ascending order, increasing order, ascending, increasing, smallest to largest, lowest to highest, oldest first, a to z
p.dir+: incoming, inbound, inside, indoor, internal, input, enter, entering
p.dir-: outgoing, outbound, outside, outdoor, external, output, leaving, exit
p.left+: left, leftmost
p.left-: right hand, on the right, right side
p.cardinal1: north, northern
p.cardinal2: south, southern
p.cardinal3: east, eastern
p.cardinal4: west, western
p.day+: day shift, daytime, morning
p.day-: night, nighttime, evening
p.public+: public
p.public-: private, confidential
p.fixed+: fixed, fixed-term, fixed term, temporary
p.fixed-: variable, permanent, open-ended, indefinite
p.full+: full-time, full time, full
p.full-: part-time, part time, partial, empty
p.safe+: safe, harmless, safely, secure
p.safe-: dangerous, unsafe, harmful, risky, hazardous
p.good+: good, better, pros, advantage, benefit, upside, strength, advantages of
p.good-: bad, worse, cons, disadvantage, drawback, downside, weakness, inconvenience
p.legal+: legal, lawful, legally
p.legal-: illegal, unlawful, prohibited, forbidden, banned
p.hot+: hot, warmer
p.hot-: cold, colder
p.hard+: hard, difficult, hard-boiled, hard boiled
p.hard-: easy, simple, soft, soft-boiled, soft boiled
p.online+: online, internet, on the web, on the internet, website, ordering online
p.online-: in-store, in store, offline, shop, in person
p.sync+: synchronous
p.sync-: asynchronous, async
p.true+: true
p.true-: false
p.male+: male, man, men, father, brother, boy, husband, uncle, grandfather
p.male-: female, woman, women, mother, sister, girl, wife, aunt, grandmother
p.front+: front
p.front-: rear
p.gross+: gross, before tax, pre-tax
p.gross-: net, after tax
p.early+: early
p.early-: late
p.first+: upgrade, upgrading
p.first-: downgrade, downgrading
p.debit+: debit
p.debit-: credit
p.physical+: physical, plastic
p.physical-: virtual, digital
p.vertical+: vertical, vertically, column
p.vertical-: horizontal, horizontally, row
p.hyper+: hypertension, high, hyperglycemia
p.hyper-: hypotension, low, hypoglycemia
p.wax+: married, marriage, marry, wedding
p.wax-: divorced, divorce, divorcing
p.enc+: encrypted
p.enc-: plain text, unencrypted
p.landlord+: landlord, lessor, owner
p.landlord-: tenant, renter, lessee
p.boss+: employer, boss, manager
p.supply+: supplier, vendor, seller
p.supply-: buyer, purchaser
l.only: only, solely, exclusively
l.except: everyone but, everybody but, everything but, anyone but, anything but, all but, besides, except, excluding, apart from, other than, but not, with the exception of, excepting
l.every: all, every, each, both
l.even: unless
m.must: mandatory, compulsory, obligatory, required to, required, obliged, have to, has to, must, requirement, require, obligation
m.may: is it possible to, is it possible, allowed, permitted, authorised, authorized, permission, allow, permit, may i, can i, can you, can we, can my, can a, can the
m.should: recommended, advisable, should i
q.price: how much does, how much do, how much is, how much will, cost, price, fee, charge, tariff, how much money
q.duration: how long, duration, how many minutes, how many hours, how many days, how many weeks, how many months, how many years, time does, period, time limit, deadline, cooking time, delay, delivery time, processing time, how much time
q.why: why, reason, cause of, what causes, how come
q.whom: who did, who does, who do, whom, to whom, whom did
q.who: who, by whom, whose
n.height: how tall, how high, height
n.age: how old, age
n.depth: how deep, depth
n.weight: how heavy, weight, weigh
n.size: how big, how large, size, dimensions
q.when: in what year, in which year, what year, when, what time, what date, at what time
q.distance: how far, distance
q.often: how often, frequency
q.difference: difference, differ, differ from, differs, different, distinguish
n.password: password, passcode, pass word
n.pin: pin, pin code
n.email: email, e-mail, mail address, email address
n.phone: phone number, mobile number, telephone number, phone, telephone, mobile, cell phone, smartphone
n.address: address, postal address, home address
n.telework: remote work, telework, telecommuting, work from home, working from home, home office, teleworking, work remotely, working remotely
n.twofactor: two-factor authentication, two factor authentication, 2fa, two-step verification, two step verification, two-step authentication, multi-factor authentication, mfa, two factor, two-factor
n.identity: identity card, id card, identity document, id
n.document: document, paper, papers, paperwork, piece of identity, form
n.leave: paid leave, annual leave, vacation day, vacation, holiday, paid holiday, annual vacation, time off, leave, annual
n.publicholiday: public holiday, bank holiday
n.sick: sick leave, medical leave
n.parental: maternity leave, maternity
n.paternal: paternity leave, paternity
n.child: child, kid, son, daughter, baby, infant, toddler, children
n.cost: expense, spending, expenditure, costs
n.meal: meal, lunch, food, dinner
n.childcare: childcare, day care
n.tax: tax, taxes, taxation, taxed, income tax, taxable, taxable income
n.vat: vat, value added tax, value-added tax
n.rate: rate, percentage
n.fever: fever, temperature
n.side: side effect, adverse effect, undesirable effect, adverse reaction, unwanted effect
n.contra: contraindication, contra-indication
n.ticket: ticket, fine, penalty
n.parking: parking
n.speeding: speeding
n.capital: capital, capital city
n.city: city, town
n.country: country, nation
n.population: population, inhabitant, how many people live
n.car: car, automobile, vehicle
n.bike: bike, bicycle
n.train: train, railway
n.bus: bus, coach
n.house: house, home
n.flat: flat, apartment
n.doctor: doctor, physician, gp
n.lawyer: lawyer, attorney, solicitor
n.job: job, occupation, position
n.salary: salary, wage, pay slip, wages, pay
n.company: company, firm, business, enterprise
n.bill: bill, invoice
n.receipt: receipt
n.checking: checking account, current account, checking
n.account: account
n.card: card, bank card
n.photo: photo, picture, image, photograph
n.film: film, movie
n.book: book, novel
n.song: song, tune
n.medicine: medicine, medication, drug, pill, tablet
n.pain: pain, ache
n.year: yearly, annually, per year, a year, each year, every year, per annum
n.month: monthly, per month, a month, each month, every month
n.week: weekly, per week, a week, each week, every week
n.day: daily, per day, a day, each day, every day
n.hour: hourly, per hour, an hour
n.number: number of, how many, how much, amount of, quantity, total number
n.hours: opening hours, opening time, business hours, opening times
n.list: list, array
n.dict: dictionary, dict, hash map
n.file: file
n.folder: folder, directory
n.error: what is wrong with, what s wrong with, something wrong with, something is wrong with, error, bug, problem, issue, trouble
n.screen: screen, monitor
n.laptop: laptop, notebook
n.pc: computer, pc
n.app: app, application
n.subscription: subscription, membership
n.insurance: insurance
n.contract: contract, agreement
n.passport: passport
n.visa: visa
n.licence: driving licence, driver's license, driver license, driving license, driver's licence
n.pregnant: pregnant, pregnancy
g.usa: usa, united states, america, american
g.uk: uk, united kingdom, great britain, britain
g.fr: france, french
g.de: germany, german
g.es: spain, spanish
g.it: italy, italian
g.en: england, english
g.be: belgium, belgian
g.ch: switzerland, swiss
g.nl: netherlands, dutch, holland
g.at: austria, austrian
g.au: australia, australian
g.cn: china, chinese
g.jp: japan, japanese
g.eu: european union, eu
n.limit: limit, cap, ceiling
n.top: biggest city, largest city
d.01: january, jan
d.02: february, feb
d.03: march
d.04: april, apr
d.05: in may, of may, until may, by may, since may, may 1st
d.06: june
d.07: july
d.08: august, aug
d.09: september
d.10: october, oct
d.11: november, nov
d.12: december, dec
d.mon: monday
d.tue: tuesday
d.wed: wednesday
d.thu: thursday
d.fri: friday
d.sat: saturday
d.sun: sunday
d.spring: spring
d.summer: summer
d.autumn: autumn
d.winter: winter
d.easter: easter
d.christmas: christmas
d.last: last, previous, past
d.next: next, upcoming, coming
d.today: today
d.tomorrow: tomorrow
d.yesterday: yesterday
c.eur: euro, eur
c.usd: dollar, usd, us dollar
c.gbp: pound, gbp, pound sterling, sterling
c.chf: swiss franc, chf
c.jpy: yen, jpy
c.cny: yuan, cny
c.cad: canadian dollar
"""
