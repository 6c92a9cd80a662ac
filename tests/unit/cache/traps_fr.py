"""French pairs that differ in an order, a number, an identifier or a negation."""

TRAPS = """
Combien dure le vol de Madrid à Oslo ? | Combien dure le vol d'Oslo à Madrid ?
Quel est le tarif pour Lille depuis Rennes ? | Quel est le tarif pour Rennes depuis Lille ?
Comment passer de l'offre Pro à l'offre Équipe ? | Comment passer de l'offre Équipe à l'offre Pro ?
Comment virer de l'argent du livret vers le compte courant ? | Comment virer de l'argent du compte courant vers le livret ?
Quelle est la convention EUR/USD ? | Quelle est la convention USD/EUR ?
Comment changer des francs suisses en euros ? | Comment changer des euros en francs suisses ?
Qui a attaqué Carthage ? | Qui Carthage a-t-elle attaqué ?
Pepsi a-t-il racheté Danone ? | Danone a-t-il racheté Pepsi ?
Un professeur peut-il signaler un élève ? | Un élève peut-il signaler un professeur ?
Le vendeur paie-t-il les frais de l'acheteur ? | L'acheteur paie-t-il les frais du vendeur ?
Ma femme peut-elle m'ajouter à son contrat ? | Puis-je ajouter ma femme à mon contrat ?
Quel avocat le juge a-t-il condamné ? | Quel juge l'avocat a-t-il condamné ?
Faut-il manger avant de courir ? | Faut-il courir avant de manger ?
Faut-il enregistrer avant de fermer le fichier ? | Faut-il fermer le fichier avant d'enregistrer ?
Faut-il poncer après avoir peint ? | Faut-il peindre après avoir poncé ?
Se douche-t-on après la piscine ? | Va-t-on à la piscine après la douche ?
Met-on le thé puis le lait ? | Met-on le lait puis le thé ?
Un yard est-il plus long qu'un mètre ? | Un mètre est-il plus long qu'un yard ?
Rust est-il plus lent que Go ? | Go est-il plus lent que Rust ?
Est-ce que 0,5 est plus grand que 0,25 ? | Est-ce que 0,25 est plus grand que 0,5 ?
Divise-t-on le prix par le poids ? | Divise-t-on le poids par le prix ?
Combien font 7 moins 12 ? | Combien font 12 moins 7 ?
Combien font 8 divisé par 2 ? | Combien font 2 divisé par 8 ?
Comment soustraire la colonne A de la colonne B ? | Comment soustraire la colonne B de la colonne A ?
Combien font 15 % de 200 ? | Combien font 200 % de 15 ?
30 mg de fer, est-ce trop ? | 30 g de fer, est-ce trop ?
5 ml de sirop suffisent-ils ? | 5 cl de sirop suffisent-ils ?
Combien de temps pour 10 miles à pied ? | Combien de temps pour 10 km à pied ?
Puis-je garder la voiture 2 semaines ? | Puis-je garder la voiture 2 jours ?
Un quart de comprimé suffit-il ? | Un demi comprimé suffit-il ?
Est-il normal d'attendre une heure ? | Est-il normal d'attendre deux heures ?
Que se passe-t-il le 3 mai ? | Que se passe-t-il le 5 mars ?
Que s'est-il passé le 07/08/2023 ? | Que s'est-il passé le 08/07/2023 ?
Qu'a-t-on construit au XVIIIe siècle ? | Qu'a-t-on construit au XIXe siècle ?
Qu'écoutait-on dans les années 80 ? | Qu'écoutait-on dans les années 90 ?
L'agence est-elle fermée le mardi ? | L'agence est-elle fermée le jeudi ?
La réunion commence-t-elle à 9h15 ? | La réunion commence-t-elle à 9h50 ?
La vente finit-elle à midi ? | La vente finit-elle à minuit ?
Quoi de neuf dans Django 4.2 ? | Quoi de neuf dans Django 5.0 ?
La v2 de l'API gère-t-elle les pages ? | La v3 de l'API gère-t-elle les pages ?
Windows 10 est-il pris en charge ? | Windows 11 est-il pris en charge ?
Que comprend l'offre Argent ? | Que comprend l'offre Or ?
Que comprend la version gratuite ? | Que comprend la version payante ?
Comment fermer le compte finissant par 4471 ? | Comment fermer le compte finissant par 4417 ?
Quel est le plafond du compte 12-B ? | Quel est le plafond du compte 12-C ?
Où est le colis RX98 ? | Où est le colis RX89 ?
Que veut dire le code E-21 ? | Que veut dire le code E-12 ?
Que dit l'article 4 bis ? | Que dit l'article 4 ter ?
Que dit l'annexe II ? | Que dit l'annexe III ?
Quels aliments contiennent du lactose ? | Quels aliments ne contiennent pas de lactose ?
Ce pain contient-il du gluten ? | Ce pain est-il sans gluten ?
Puis-je embarquer avec un passeport ? | Puis-je embarquer si je n'ai pas de passeport ?
Qui est éligible à la prime ? | Qui est inéligible à la prime ?
Que se passe-t-il si ça marche ? | Que se passe-t-il si ça ne marche pas ?
Pourquoi ma carte est-elle acceptée ? | Pourquoi ma carte n'est-elle pas acceptée ?
Pourquoi mon virement réussit-il ? | Pourquoi mon virement échoue-t-il ?
Quand puis-je refuser de signer ? | Quand ne puis-je pas refuser de signer ?
Puis-je rester si je paie ? | Puis-je rester si je ne paie pas ?
Puis-je partir plus tôt ? | Puis-je ne plus partir ?
Les frais s'appliquent-ils aux étudiants ? | Les frais s'appliquent-ils à tous sauf aux étudiants ?
Y a-t-il des frais de retrait ? | N'y a-t-il pas de frais de retrait ?
Ai-je encore droit à la prime ? | N'ai-je plus droit à la prime ?
Comment rediriger le port 22 vers le 2222 ? | Comment rediriger le port 2222 vers le 22 ?
Faut-il du sucre plutôt que du miel ? | Faut-il du miel plutôt que du sucre ?
Puis-je remplacer le beurre par l'huile ? | Puis-je remplacer l'huile par le beurre ?
Met-on du jambon au lieu du fromage ? | Met-on du fromage au lieu du jambon ?
Qui a formé Platon ? | Qui Platon a-t-il formé ?
Le chien peut-il suivre le chat ? | Le chat peut-il suivre le chien ?
La mère peut-elle représenter sa fille ? | La fille peut-elle représenter sa mère ?
Quelle est la dose à 6 ans ? | Quelle est la dose à 6 mois ?
Le bus de Brest à Nantes est-il direct ? | Le bus de Nantes à Brest est-il direct ?
Faut-il rincer avant de savonner ? | Faut-il savonner avant de rincer ?
S'étire-t-on après avoir couru ? | Court-on après s'être étiré ?
Mon patron peut-il me licencier ? | Puis-je licencier mon patron ?
Ma banque va-t-elle m'appeler ? | Vais-je appeler ma banque ?
Qui a embauché Steve ? | Qui Steve a-t-il embauché ?
La Grèce a-t-elle envahi la Perse ? | La Perse a-t-elle envahi la Grèce ?
Le saumon est-il moins cher que le thon ? | Le thon est-il moins cher que le saumon ?
Combien font 40 CHF en SEK ? | Combien font 40 SEK en CHF ?
Combien font 5 % de 60 ? | Combien font 60 % de 5 ?
Combien font 3 puissance 4 ? | Combien font 4 puissance 3 ?
Comment copier le disque D vers le disque E ? | Comment copier le disque E vers le disque D ?
Comment ajouter 5 à la colonne 7 ? | Comment ajouter 7 à la colonne 5 ?
Une bouteille de 200 ml est-elle permise ? | Une bouteille de 200 cl est-elle permise ?
Ai-je un mois pour faire appel ? | Ai-je une semaine pour faire appel ?
Que faut-il payer le 12 juin ? | Que faut-il payer le 21 juin ?
Quel train part à 7h30 ? | Quel train part à 19h30 ?
Node 18 le gère-t-il ? | Node 20 le gère-t-il ?
La version 3.4.1 le corrige-t-elle ? | La version 3.4.2 le corrige-t-elle ?
Que contient le forfait Plus ? | Que contient le forfait Ultra ?
Qui habite l'appartement 3A ? | Qui habite l'appartement 3B ?
Louis XIV a-t-il régné longtemps ? | Louis XV a-t-il régné longtemps ?
Puis-je partir sans payer ? | Puis-je partir après avoir payé ?
Peut-on voler sans passeport ? | Peut-on voler avec un passeport ?
Est-ce toujours permis ? | Est-ce que ce n'est jamais permis ?
Les œufs sont-ils végans ? | Les œufs ne sont-ils pas végans ?
Pourquoi cela a-t-il échoué ? | Pourquoi cela a-t-il réussi ?
Que se passe-t-il si personne ne signe ? | Que se passe-t-il si quelqu'un signe ?
Les chats mangent-ils ce que mangent les chiens ? | Les chiens mangent-ils ce que mangent les chats ?
Le stress provoque-t-il l'acné ? | L'acné provoque-t-elle le stress ?
Mars est-elle entre la Terre et Jupiter ? | La Terre est-elle entre Mars et Jupiter ?
Pourquoi le paiement est-il refusé ? | Pourquoi le paiement n'est-il pas refusé ?
Le médecin soigne-t-il l'infirmier ? | L'infirmier soigne-t-il le médecin ?
Combien de temps prend un chèque vers mon compte ? | Combien de temps prend un chèque depuis mon compte ?
Que donne le locataire au propriétaire ? | Que donne le propriétaire au locataire ?
Le petit frère aide-t-il le grand ? | Le grand frère aide-t-il le petit ?
Je dois de l'argent à ma sœur, que faire ? | Ma sœur me doit de l'argent, que faire ?
Puis-je rester sans visa ? | Puis-je rester avec visa ?
Le plafond passe-t-il de 300 à 500 euros ? | Le plafond passe-t-il de 500 à 300 euros ?
Peut-on boire sans manger ? | Peut-on manger sans boire ?
Puis-je venir de Rome sans visa ? | Puis-je aller à Rome sans visa ?
Le client sert-il le serveur ? | Le serveur sert-il le client ?
Faut-il payer le loyer avant le 5 ? | Faut-il payer le loyer après le 5 ?
Comment passer de Max à Lite ? | Comment passer de Lite à Max ?
1,05 USD vaut-il 1 EUR ? | 1,05 EUR vaut-il 1 USD ?
Quelle pénalité sur un dépôt de 90 jours ? | Quelle pénalité sur un dépôt de 60 jours ?
Pourquoi la carte 8812 ne marche-t-elle pas ? | Pourquoi la carte 8821 ne marche-t-elle pas ?
Ubuntu 22.04 le contient-il ? | Ubuntu 24.04 le contient-il ?
Qui a prêté à Marie ? | À qui Marie a-t-elle prêté ?
L'infirmier peut-il prescrire sans le médecin ? | Le médecin peut-il prescrire sans l'infirmier ?
L'acompte est-il remboursable ? | L'acompte est-il non remboursable ?
Puis-je entrer avec des chaussures ? | Puis-je entrer sans chaussures ?
Un doctorat est-il exigé ? | Un doctorat n'est-il pas exigé ?
Faut-il un accord en dessous de 100 euros ? | Faut-il un accord au-dessus de 100 euros ?
Que se passe-t-il si je paie en retard ? | Que se passe-t-il si je paie en avance ?
Les taux montent-ils quand l'inflation baisse ? | Les taux baissent-ils quand l'inflation monte ?
Comment fusionner main dans dev ? | Comment fusionner dev dans main ?
Le quai 9A est-il fermé ? | Le quai 9B est-il fermé ?
Ana a-t-elle présenté Léo à Kim ? | Ana a-t-elle présenté Kim à Léo ?
Le wifi est-il compris avec Standard ? | Le wifi est-il compris avec Deluxe ?
"""
