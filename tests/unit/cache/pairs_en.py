"""English pairs of questions: alike but of different answers, and different but of one answer."""

TRAPS = """
Can I bring 2 bags on board? | Can I bring 3 bags on board?
How do I convert 5 km to miles? | How do I convert 5 miles to km?
Is the shop open at 3 pm? | Is the shop open at 3 am?
What happened in 1914? | What happened in 1941?
How much is 20 dollars in euros? | How much is 20 euros in dollars?
What is the deadline for January? | What is the deadline for June?
Are you open on Monday? | Are you open on Sunday?
What changed in Python 3.10? | What changed in Python 3.1?
What is new in iOS 17.2? | What is new in iOS 17.3?
Where is order A1234? | Where is order A1243?
What is the warranty of the XPS-13? | What is the warranty of the XPS-15?
Can I take ibuprofen before a meal? | Can I take ibuprofen after a meal?
How do I turn on Bluetooth? | How do I turn off Bluetooth?
Is the road from Paris to Lyon closed? | Is the road from Lyon to Paris closed?
How much does Alice owe Bob? | How much does Bob owe Alice?
Did Napoleon defeat Wellington? | Did Wellington defeat Napoleon?
Is lead heavier than gold? | Is gold heavier than lead?
Who was the first president of the USA? | Who was the third president of the USA?
Can I pay with only a debit card? | Can I pay with a debit card?
Which states allow it except Texas? | Which states allow it including Texas?
Is it legal to record a call? | Is it illegal to record a call?
What is the maximum speed on a motorway? | What is the minimum speed on a motorway?
What is the longest river in Africa? | What is the shortest river in Africa?
What is the population of Lyon? | What is the population of Lille?
Who directed Alien? | Who directed Aliens?
How do I encrypt a folder? | How do I decrypt a folder?
Can employees refuse overtime? | Can employers refuse overtime?
What is vitamin C good for? | What is vitamin D good for?
How do I install Docker on Ubuntu? | How do I uninstall Docker on Ubuntu?
Can I get a refund? | Can't I get a refund?
Should dogs eat chocolate? | Should dogs not eat chocolate?
Can I drive with insurance? | Can I drive without insurance?
Do I have to declare gifts? | Do I never have to declare gifts?
How do I merge two branches in git? | How do I delete two branches in git?
How do I lock my account? | How do I unlock my account?
What is the price of the basic plan? | What is the price of the premium plan?
When does the course start? | When does the course end?
What is the boiling point of water? | What is the freezing point of water?
What are the advantages of solar panels? | What are the disadvantages of solar panels?
Who is the CEO of Renault? | Who is the CEO of Peugeot?
What is the dose for adults? | What is the dose for children?
How do I export contacts to CSV? | How do I import contacts from CSV?
Is my warranty valid for 12 months? | Is my warranty valid for 24 months?
What is the fee for transfers above 1,000 euros? | What is the fee for transfers above 10,000 euros?
How do I add a user? | How do I remove a user?
How do I translate English into French? | How do I translate French into English?
Can a landlord evict a tenant in winter? | Can a tenant evict a landlord in winter?
What is the tax rate in 2023? | What is the tax rate in 2024?
Is 5 greater than 3? | Is 3 greater than 5?
Can I use C++ for this? | Can I use C# for this?
Who killed Hector? | Who did Hector kill?
How do I copy from the USB key to the disk? | How do I copy from the disk to the USB key?
Is the clinic open in the morning? | Is the clinic open in the evening?
What is the weight of the iPhone 14? | What is the weight of the iPhone 15?
Is paracetamol safe during pregnancy? | Is aspirin safe during pregnancy?
How do I open port 8080? | How do I open port 8443?
How do I increase the font size? | How do I decrease the font size?
What does error 404 mean? | What does error 403 mean?
How do I hire an employee? | How do I dismiss an employee?
Can I cancel within 14 days? | Can I cancel after 14 days?
How do I send a package to Canada? | How do I receive a package from Canada?
What is the cheapest plan? | What is the most expensive plan?
Can I travel with a cat? | Can I travel with a dog?
How do I write a cover letter? | How do I write a resignation letter?
What are the symptoms of flu? | What are the causes of flu?
What are the symptoms of diabetes? | What is the treatment of diabetes?
Who won the 1998 World Cup? | Who lost the 1998 World Cup?
How do I freeze bread? | How do I thaw bread?
Can I leave before the end of the trial? | Can I leave after the end of the trial?
Is the museum free for students? | Is the museum free for seniors?
Which countries border Spain? | Which countries border Portugal?
How do I block a contact? | How do I unblock a contact?
How do I reset my router? | How do I restart my router?
What is type 1 diabetes? | What is type 2 diabetes?
How long is the visa valid? | How much is the visa?
Where can I park my car? | Where can I rent a car?
How do I set up direct debit? | How do I stop a direct debit?
Is Java faster than Python? | Is Python faster than Java?
How do I grant access to a folder? | How do I revoke access to a folder?
Does the bus stop at the station? | Does the train stop at the station?
How do I bake a sourdough loaf? | What is the best way to bake a rye loaf?
Is the change reversible? | Is it true that the change is irreversible?
How do I merge PDF files? | How do I split PDF files?
Who is taller, Tom or Jerry? | Who is shorter, Tom or Jerry?
What is the interest rate on savings accounts? | What is the interest rate on student loans?
Where do I send the form? | When do I send the form?
Can I use my phone abroad? | Can I use my phone at home?
What is the minimum age to vote? | What is the minimum age to drive?
How do I become a teacher? | How do I become a nurse?
When was the Eiffel Tower built? | When was the Eiffel Tower painted?
Who wrote Hamlet? | Who wrote Macbeth?
Does coffee cause insomnia? | Does insomnia cause coffee cravings?
Is A a subset of B? | Is B a subset of A?
How do I sync files from my phone to my laptop? | How do I sync files from my laptop to my phone?
What does the left pedal do? | What does the right pedal do?
Is smoking allowed indoors? | Is smoking allowed outdoors?
What is the notice period for tenants? | What is the notice period for landlords?
How many calories are in an apple? | How many calories are in a banana?
Can I claim after two years? | Can I claim after three years?
Can I get the vaccine if I'm pregnant? | Can I get the vaccine if I'm not pregnant?
What are the requirements for a tourist visa? | What are the requirements for a work visa?
Is the event on the 5th of May? | Is the event on the 6th of May?
Which team did Ajax beat? | Which team beat Ajax?
What is HTTP/2? | What is HTTP/3?
How do I increase the volume by 10%? | How do I increase the volume by 20%?
How do I log in to the app? | How do I log out of the app?
What is the gross salary of a nurse? | What is the net salary of a nurse?
Do I need a visa as a French citizen? | Do I need a visa as a German citizen?
Does the insurance cover theft? | Does the insurance exclude theft?
Is parking included? | Is parking excluded?
How do I show hidden files? | How do I hide files?
Can a minor open an account? | Can an adult open an account?
"""
PARAPHRASES = """
How can I cancel my order? | What is the procedure for cancelling an order?
How long does delivery take? | What is the delivery time?
How do I change my address? | How can I update my address?
Where can I find my invoices? | How do I find my invoices?
What documents are needed to open an account? | Which documents do I need to open an account?
Can I return an item bought on sale? | Is it possible to return an item bought on sale?
How do I turn on dark mode? | How can I enable dark mode?
How much does shipping cost? | What is the price of shipping?
Who invented the telephone? | Who was the inventor of the telephone?
What is the population of France? | How many inhabitants does France have?
Is it mandatory to wear a helmet? | Do I have to wear a helmet?
How do I delete my account? | Please tell me how to delete my account.
How do I remove a line in vim? | In vim, how do I remove a line?
How many weeks of vacation do I have? | How many weeks of holiday do I get?
How do I install Python on Windows? | Could you explain how to install Python on Windows?
What does 5 GB cost? | How much does 5 GB cost?
I can't log in, what should I do? | I cannot log in. What can I do?
How long does a passport take? | How much time does a passport take?
How do I get from Paris to London? | How can I go from Paris to London?
Which is the largest planet? | What's the biggest planet?
How do I sort a list in reverse order? | How to sort a list in descending order?
How can I contact customer service? | How do I reach customer service?
How do I undo a git commit? | How can I revert a git commit?
Does a 60 minute session include a break? | Is there a break in a 1 hour session?
How do I lose weight? | What is the best way to lose weight?
What is the German capital? | What is the capital of Germany?
How do I block a phone number? | What are the steps to block a phone number?
My phone doesn't work, what can I do? | My phone does not work. What should I do?
What's the fastest way to get to the airport? | How do I get to the airport the fastest?
Where is the nearest pharmacy? | Can you tell me where the nearest pharmacy is?
What is the meaning of GDPR? | What does GDPR mean?
How tall is the Eiffel Tower? | What is the height of the Eiffel Tower?
How do I boil rice? | How do you cook rice?
When did World War II end? | In what year did World War II end?
How do I export my data? | I would like to export my data, how do I do that?
What is the best way to clean a keyboard? | How should I clean a keyboard?
How do I file a complaint? | What is the process for filing a complaint?
Which browser is supported? | Which browsers are supported?
How do I fix a flat tyre? | How do I repair a flat tyre?
What time does the store close? | When does the store close?
Who discovered penicillin? | Penicillin was discovered by whom?
How do I report a lost card? | My card is lost, how do I report it?
Do you ship to Norway? | Is delivery to Norway possible?
What is the warranty period? | How long is the warranty?
"""
