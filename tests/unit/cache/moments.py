"""Questions of the moment, and questions that only hold a word of time. One a line."""

FRESH_EN = """
What is the price of gold today?
What's the weather like in Paris?
Will it rain tomorrow?
What is the exchange rate today?
What is the current exchange rate for EUR/USD?
What are your exchange rates?
What is my balance?
What is my current balance?
How much money do I have in my account right now?
What is the status of my order?
Where is my parcel?
Track my order
Who is the current president of France?
Who is the CEO of Apple now?
What is the latest version of Python?
What is the newest iPhone?
Is the bank open today?
Are you open right now?
Is the pharmacy open now?
What time is it?
What time is it in Tokyo?
What day is it today?
What's the date?
What is the date today?
Tell me the news
What's in the news?
Any news about the election?
What are today's headlines?
What is the stock price of Apple?
How is the market doing today?
What is Bitcoin worth at the moment?
What is the price of bitcoin?
Bitcoin price
weather in London today
Who won the match last night?
Who won the game yesterday?
Who won the last election?
What happened in Paris yesterday?
What films came out recently?
What movies are out this week?
What's on TV tonight?
When is the next train to Lyon?
When does the next bus leave?
What is the current inflation rate?
What is the current temperature outside?
Is there traffic on the M25?
What meetings do I have today?
What time is my appointment tomorrow?
How much did I spend last month?
How many goals has Messi scored so far?
Who is leading the league this season?
Should I buy Tesla stock now?
What should I wear today?
Do I need an umbrella tomorrow?
Can you tell me what the weather is?
Can you give me the latest news?
Could you tell me the exchange rate for dollars right now?
What is the most recent iOS update?
What are the current mortgage rates?
Is the metro running today?
Why is the market down today?
What holidays are there next month?
Which flights leave tonight?
How many people live in France today?
What is the interest rate at the moment?
Are trains delayed this morning?
What is on at the cinema this weekend?
What is the live score of the game?
"""
TIMELESS_EN = """
I tried to pay this morning and my card was declined, why?
I now see an extra charge on my statement
I made a transfer yesterday, when will it arrive?
I recently moved, how do I change my address?
My card stopped working yesterday
My card was declined today. Why?
Why was my card declined this morning?
How is the exchange rate calculated?
How do exchange rates work?
What is an exchange rate?
Why was I charged the wrong exchange rate?
The exchange rate applied to my purchase is wrong
My card is currently not working
I am currently abroad, can I still use my card?
I just received my card today, how do I activate it?
What do I do now?
What should I do now?
Now, how do I reset it?
Now that I have a card, how do I activate it?
How do I get today's date in Excel?
How do I get the current date in Python?
How do I open a current account?
What is a current account?
Can I change my current PIN?
How do I check my current plan?
How does electric current flow?
What is direct current?
What does up-to-date mean?
At the latest, when must it be paid?
What is the latest date I can return an item?
I lost my phone last night
I bought a phone last week and it is broken
I withdrew cash last month and it was charged twice
We moved to Spain last year, do we pay taxes there?
I topped up this week but the money is not there
I have been waiting since yesterday for my transfer
I was told recently that my account is blocked
A payment was made yesterday that I do not recognise.
The money was taken from my account today.
It was declined this morning.
The app is currently down for me
I can't log in today
I used an ATM earlier today and it kept my card
How do weather forecasts work?
What is a weather front?
What is a stock price?
How is a share price determined?
How do I turn off notifications now?
What is the date of the French Revolution?
What is the time limit for a return?
What is the difference between a current and a savings account?
What is real-time processing?
Explain the current mirror circuit
Please help, I need my card for tomorrow
I am travelling next week, can I get a card by then?
I want to cancel the transfer I made today
My friend sent me money yesterday but it has not arrived
Someone used my card last night
I noticed a fee today, what is it for?
I just checked my account and the balance is wrong
Who invented the telephone?
How do I cancel my order?
How long does delivery take?
From now on, how do I pay?
Until now I paid by cheque, how do I switch?
I currently have a basic plan, how do I upgrade?
How can I now verify my identity?
"""
FRESH_FR = """
Quel temps fait-il aujourd'hui ?
Quel temps fera-t-il demain ?
Quelle est la météo à Lyon ?
Quel est le prix de l'or aujourd'hui ?
Quel est le taux de change aujourd'hui ?
Quel est le taux de change euro dollar ?
Quels sont vos taux de change ?
Quel est le cours du dollar ?
Quel est le cours de la Bourse ?
Quel est le cours du Bitcoin ?
Combien vaut le bitcoin en ce moment ?
Quel est mon solde ?
Quel est mon solde actuel ?
Combien ai-je sur mon compte ?
Combien me reste-t-il ce mois-ci ?
Où en est ma commande ?
Quel est le statut de ma commande ?
Où est mon colis ?
Quel est l'état de mon dossier ?
Qui est le président actuel de la France ?
Qui est le Premier ministre actuellement ?
Quelle est la dernière version de Python ?
Quel est le dernier iPhone ?
Quelles sont les dernières nouvelles ?
Donne-moi les actualités
Quoi de neuf dans l'actualité ?
La banque est-elle ouverte aujourd'hui ?
Êtes-vous ouverts maintenant ?
La pharmacie est-elle ouverte en ce moment ?
Quelle heure est-il ?
Quelle heure est-il à Tokyo ?
Quel jour sommes-nous ?
On est quel jour ?
Quelle est la date ?
Quelle est la date du jour ?
Qui a gagné le match hier ?
Qui a gagné la dernière Coupe du monde ?
Que s'est-il passé à Paris hier soir ?
Quels films sortent cette semaine ?
Qu'y a-t-il à la télé ce soir ?
Quand part le prochain train pour Lyon ?
Quand est le prochain match ?
Quels concerts y a-t-il ce week-end ?
Y a-t-il des grèves demain ?
Y a-t-il des embouteillages en ce moment ?
Pourquoi le métro est-il en grève aujourd'hui ?
Quelle est l'inflation actuelle ?
Quels sont les taux actuels ?
Quel est le SMIC actuellement ?
Quel est le taux d'intérêt en ce moment ?
Quel est le montant du SMIC en vigueur ?
Combien de morts à ce jour ?
Combien de buts a-t-il marqués cette saison ?
Faut-il un parapluie demain ?
Combien ai-je dépensé le mois dernier ?
Quels rendez-vous ai-je demain ?
À quelle heure est mon rendez-vous demain ?
Peux-tu me dire la météo ?
Pouvez-vous me donner le cours actuel de l'euro ?
Je voudrais savoir le taux de change du jour
Dis-moi les dernières infos
météo Marseille demain
Quels jours fériés y a-t-il le mois prochain ?
Combien de Français vivent à Londres aujourd'hui ?
Quelles écoles sont fermées actuellement ?
Combien de cas de covid cette semaine ?
Quel est le menu du jour ?
Dois-je acheter des actions maintenant ?
"""
TIMELESS_FR = """
J'ai essayé de payer ce matin et ma carte a été refusée, pourquoi ?
Je vois maintenant un débit que je ne reconnais pas
J'ai fait un virement hier, quand arrivera-t-il ?
J'ai déménagé récemment, comment changer mon adresse ?
Ma carte ne marche plus depuis hier
Ma carte a été refusée aujourd'hui. Pourquoi ?
Pourquoi ma carte a-t-elle été refusée ce matin ?
Comment est calculé le taux de change ?
Comment fonctionne le taux de change ?
Qu'est-ce que le taux de change ?
Pourquoi m'a-t-on appliqué un mauvais taux de change ?
Le taux de change appliqué à mon achat est faux
Ma carte est actuellement bloquée
Je suis actuellement à l'étranger, puis-je utiliser ma carte ?
J'ai reçu ma carte aujourd'hui, comment l'activer ?
Que dois-je faire maintenant ?
Et maintenant, comment faire ?
Maintenant que j'ai ma carte, comment l'activer ?
Comment obtenir la date d'aujourd'hui dans Excel ?
Comment afficher la date actuelle en Python ?
Puis-je changer mon code actuel ?
Comment résilier mon contrat actuel ?
Comment modifier mon mot de passe actuel ?
J'ai perdu mon téléphone hier soir
J'ai acheté un téléphone la semaine dernière et il est cassé
J'ai retiré de l'argent le mois dernier et j'ai été débité deux fois
Nous avons déménagé en Espagne l'année dernière, où payons-nous l'impôt ?
J'ai rechargé cette semaine mais l'argent n'est pas là
J'attends mon virement depuis hier
On m'a dit récemment que mon compte est bloqué
Un paiement a été fait hier que je ne reconnais pas.
L'argent a été prélevé aujourd'hui.
Elle a été refusée ce matin.
Je n'arrive pas à me connecter aujourd'hui
Le distributeur a avalé ma carte ce matin
Comment fonctionnent les prévisions météo ?
Qu'est-ce qu'un taux de change ?
Comment lire un cours de bourse ?
Que veut dire actuellement ?
Quelle est la date de la Révolution française ?
Qui fut le dernier roi de France ?
Qui était le dernier empereur romain ?
Quelle est la dernière étape de la procédure ?
Que faire au dernier mois de grossesse ?
Comment supprimer la dernière ligne d'un fichier ?
Comment télécharger mon dernier relevé ?
J'ai besoin de ma carte pour demain
Je pars la semaine prochaine, puis-je avoir une carte d'ici là ?
Je veux annuler le virement que j'ai fait aujourd'hui
Mon ami m'a envoyé de l'argent hier mais je n'ai rien reçu
Quelqu'un a utilisé ma carte cette nuit
J'ai remarqué des frais aujourd'hui, à quoi correspondent-ils ?
Désormais, comment payer ?
Jusqu'à maintenant je payais par chèque, comment changer ?
J'ai actuellement une offre de base, comment passer à la supérieure ?
Comment puis-je maintenant vérifier mon identité ?
Qui a inventé le téléphone ?
Comment annuler ma commande ?
Combien de temps prend la livraison ?
Quelle est la capitale de l'Australie ?
Qu'est-ce qu'un changement de cap ?
Mon loyer a augmenté cette année, est-ce légal ?
J'ai changé de travail ce mois-ci, dois-je le déclarer ?
Ma commande a été livrée hier mais il manque un article
Comment être remboursé d'un achat fait hier ?
Combien de temps dure un virement fait le week-end ?
J'ai vu récemment une offre, comment en profiter ?
"""
