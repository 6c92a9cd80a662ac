"""English pairs that differ in an order, a number, an identifier or a negation."""

TRAPS = """
How long is the flight from Madrid to Oslo? | How long is the flight from Oslo to Madrid?
What is the train fare to Leeds from York? | What is the train fare to York from Leeds?
How do I move money out of savings into checking? | How do I move money out of checking into savings?
Can I switch from the Pro plan to the Team plan? | Can I switch from the Team plan to the Pro plan?
What is the EUR/USD rate convention? | What is the USD/EUR rate convention?
How do I turn GBP into AUD? | How do I turn AUD into GBP?
Who sued Apple? | Who did Apple sue?
Did Pepsi buy Frito? | Did Frito buy Pepsi?
Can a teacher report a student? | Can a student report a teacher?
Can my wife add me to her policy? | Can I add my wife to my policy?
Does the seller pay the buyer's fees? | Does the buyer pay the seller's fees?
Which lawyer did the judge fine? | Which judge did the lawyer fine?
Should I eat before I exercise? | Should I exercise before I eat?
Do I save before closing the file? | Do I close the file before saving?
Do I apply primer after sanding? | Do I sand after applying primer?
Should I shower after the swim? | Should I swim after the shower?
Is it tea first, then milk? | Is it milk first, then tea?
Is a yard longer than a metre? | Is a metre longer than a yard?
Does Rust compile slower than Go? | Does Go compile slower than Rust?
Is 0.5 bigger than 0.25? | Is 0.25 bigger than 0.5?
Do I divide price by weight? | Do I divide weight by price?
What is 7 minus 12? | What is 12 minus 7?
What is 8 divided by 2? | What is 2 divided by 8?
How do I subtract column A from column B? | How do I subtract column B from column A?
What is 15% of 200? | What is 200% of 15?
Is 30 mg of iron too much? | Is 30 g of iron too much?
Is 5 ml of syrup enough? | Is 5 cl of syrup enough?
How far is 10 miles on foot? | How far is 10 km on foot?
Can I keep the car for 2 weeks? | Can I keep the car for 2 days?
Is a quarter of a tablet enough? | Is half a tablet enough?
Is it normal to wait one hour? | Is it normal to wait two hours?
Do I get a dozen stickers? | Do I get two dozen stickers?
What happens on 3 May? | What happens on 5 March?
What happened on 07/08/2023? | What happened on 08/07/2023?
What was decided on March 4th? | What was decided on March 14th?
What was built in the 18th century? | What was built in the 19th century?
What was popular in the 1980s? | What was popular in the 1990s?
Is the office closed on Tuesday? | Is the office closed on Thursday?
Does the meeting start at 9:15? | Does the meeting start at 9:50?
Does the sale end at noon? | Does the sale end at midnight?
What is new in Django 4.2? | What is new in Django 5.0?
Does v2 of the API support paging? | Does v3 of the API support paging?
Is Windows 10 still supported? | Is Windows 11 still supported?
What does the Silver plan include? | What does the Gold plan include?
What does the free tier include? | What does the paid tier include?
How do I close the account ending in 4471? | How do I close the account ending in 4417?
What is the limit of account 12-B? | What is the limit of account 12-C?
Where is parcel RX98? | Where is parcel RX89?
What does code E-21 mean? | What does code E-12 mean?
What is in section 4(a)? | What is in section 4(b)?
What is in schedule II? | What is in schedule III?
Is gluten in this bread? | Is this bread free of gluten?
Can I board with a passport? | Can I board if I have no passport?
Which foods contain lactose? | Which foods don't contain lactose?
Is it safe to swim? | Is it unsafe to swim?
Who is eligible for the grant? | Who is ineligible for the grant?
What should I do if it works? | What should I do if it doesn't work?
Why is my card accepted? | Why isn't my card accepted?
Why would my transfer succeed? | Why would my transfer fail?
When can I refuse to sign? | When can't I refuse to sign?
Do I need to be present? | Need I not be present?
Can I stay if I don't pay? | Can I stay if I pay?
Why can't I see my refund? | Why can I see my refund?
Is there a fee to withdraw cash? | Is there no fee to withdraw cash?
Can I hardly ever be late? | Can I be late?
Does the fee apply to everyone but students? | Does the fee apply to students?
What can I bring besides food? | What food can I bring?
What is the dose for a 6-year-old? | What is the dose for a 6-month-old?
How do I forward port 22 to 2222? | How do I forward port 2222 to 22?
How do I rename draft to final? | How do I rename final to draft?
Does ham go with cheese instead of butter? | Does ham go with butter instead of cheese?
Should I use sugar rather than honey? | Should I use honey rather than sugar?
Who taught Plato? | Whom did Plato teach?
Can I replace butter with oil? | Can I replace oil with butter?
What is the bus from Bath to Hull like? | What is the bus from Hull to Bath like?
Should I rinse before I soap? | Should I soap before I rinse?
Do I stretch after I run? | Do I run after I stretch?
Can my manager fire me? | Can I fire my manager?
Will my bank call me? | Will I call my bank?
Who hired Steve? | Who did Steve hire?
Did Greece invade Persia? | Did Persia invade Greece?
Is salmon cheaper than tuna? | Is tuna cheaper than salmon?
How much is 40 CHF in SEK? | How much is 40 SEK in CHF?
What is 5% of 60? | What is 60% of 5?
What is 3 to the power of 4? | What is 4 to the power of 3?
How do I map drive D to drive E? | How do I map drive E to drive D?
How do I add 5 to column 7? | How do I add 7 to column 5?
Is a 200 ml bottle allowed? | Is a 200 cl bottle allowed?
Is 6 feet tall? | Is 6 inches tall?
Do I have a month to appeal? | Do I have a week to appeal?
What is due on the 12th of June? | What is due on the 21st of June?
What runs at 07:30? | What runs at 19:30?
Does Node 18 support it? | Does Node 20 support it?
Does release 3.4.1 fix it? | Does release 3.4.2 fix it?
What is in the Plus bundle? | What is in the Ultra bundle?
Is ward 7B open to visitors? | Is ward 7C open to visitors?
Who lives at flat 3A? | Who lives at flat 3B?
Did Henry VII marry? | Did Henry VIII marry?
Can I leave without paying? | Can I leave after paying?
Can I fly with no passport? | Can I fly with a passport?
Is it ever allowed to park here? | Is it never allowed to park here?
Are eggs vegan? | Are eggs not vegan?
Why did it fail? | Why did it succeed?
What if nobody signs? | What if somebody signs?
Do all but minors pay? | Do minors pay?
Can cats eat what dogs eat? | Can dogs eat what cats eat?
Does stress cause acne? | Does acne cause stress?
Is Mars between Earth and Jupiter? | Is Earth between Mars and Jupiter?
Why is the payment declined? | Why is the payment not declined?
Does the doctor treat the nurse? | Does the nurse treat the doctor?
Swap the first with the last? | Swap the second with the last?
How long does a cheque to my account take? | How long does a cheque from my account take?
Why was the refund sent by me? | Why was the refund sent to me?
What does the tenant give to the owner? | What does the owner give to the tenant?
Can I carry hand luggage from Rome without a liquid bag? | Can I carry hand luggage to Rome without a liquid bag?
Does the guest tip the waiter? | Does the waiter tip the guest?
Should rent be paid before the 5th? | Should rent be paid after the 5th?
How do I downgrade from Max to Lite? | How do I downgrade from Lite to Max?
Is 1.05 USD equal to 1 EUR? | Is 1.05 EUR equal to 1 USD?
What is the penalty on a 90-day deposit? | What is the penalty on a 60-day deposit?
Why does card 8812 not work abroad? | Why does card 8821 not work abroad?
Does Ubuntu 22.04 ship with it? | Does Ubuntu 24.04 ship with it?
Who borrowed from Marie? | Who did Marie borrow from?
Can a nurse prescribe without a doctor? | Can a doctor prescribe without a nurse?
Is the deposit refundable? | Is the deposit non-refundable?
May I enter with shoes on? | May I enter with no shoes on?
Is a PhD required? | Is a PhD not required?
Do I need approval if the cost is under 100? | Do I need approval if the cost is over 100?
What happens when I pay late? | What happens when I pay early?
Will interest go up if inflation goes down? | Will interest go down if inflation goes up?
How do I merge main into dev? | How do I merge dev into main?
Is platform 9A closed? | Is platform 9B closed?
Did Ana introduce Leo to Kim? | Did Ana introduce Kim to Leo?
Is wifi included with Standard? | Is wifi included with Deluxe?
"""
