"""French pairs of questions: alike but of different answers, and different but of one answer."""

TRAPS = """
Peut-on emporter 2 bagages en cabine ? | Peut-on emporter 3 bagages en cabine ?
Combien font vingt-deux euros en dollars ? | Combien font trente-deux euros en dollars ?
Le magasin ferme-t-il à 18 h ? | Le magasin ferme-t-il à 19 h ?
Que s'est-il passé en 1789 ? | Que s'est-il passé en 1798 ?
Comment convertir des mètres en pieds ? | Comment convertir des pieds en mètres ?
Êtes-vous ouverts le lundi ? | Êtes-vous ouverts le dimanche ?
Quelle est la date limite de mars ? | Quelle est la date limite de mai ?
Où est la commande FR-2024-118 ? | Où est la commande FR-2024-181 ?
Peut-on manger avant une prise de sang ? | Peut-on manger après une prise de sang ?
Comment activer le Bluetooth ? | Comment désactiver le Bluetooth ?
Quel train de Paris à Lyon ? | Quel train de Lyon à Paris ?
Paul doit-il de l'argent à Marie ? | Marie doit-elle de l'argent à Paul ?
Le plomb est-il plus lourd que l'or ? | L'or est-il plus lourd que le plomb ?
Qui fut le premier président de la Ve République ? | Qui fut le deuxième président de la Ve République ?
Puis-je payer seulement en espèces ? | Puis-je payer en espèces ?
Tous les jours sauf le lundi ? | Tous les jours y compris le lundi ?
Est-il légal d'enregistrer un appel ? | Est-il illégal d'enregistrer un appel ?
Quelle est la vitesse maximale sur autoroute ? | Quelle est la vitesse minimale sur autoroute ?
Quel est le plus long fleuve d'Afrique ? | Quel est le plus court fleuve d'Afrique ?
Quelle est la population de Lyon ? | Quelle est la population de Lille ?
Comment chiffrer un dossier ? | Comment déchiffrer un dossier ?
Le salarié peut-il refuser les heures supplémentaires ? | L'employeur peut-il refuser les heures supplémentaires ?
À quoi sert la vitamine C ? | À quoi sert la vitamine D ?
Comment installer Docker ? | Comment désinstaller Docker ?
Puis-je être remboursé ? | Puis-je ne pas être remboursé ?
Peut-on conduire avec une assurance ? | Peut-on conduire sans assurance ?
Pourquoi mon compte est-il bloqué ? | Pourquoi mon compte n'est-il pas bloqué ?
Comment verrouiller mon compte ? | Comment déverrouiller mon compte ?
Quel est le prix de l'offre de base ? | Quel est le prix de l'offre premium ?
Quand commence la formation ? | Quand se termine la formation ?
Quels sont les avantages des panneaux solaires ? | Quels sont les inconvénients des panneaux solaires ?
Qui dirige Renault ? | Qui dirige Peugeot ?
Quelle dose pour un adulte ? | Quelle dose pour un enfant ?
Comment exporter des contacts ? | Comment importer des contacts ?
La garantie dure-t-elle 12 mois ? | La garantie dure-t-elle 24 mois ?
Quels frais au-dessus de 1 000 euros ? | Quels frais au-dessus de 10 000 euros ?
Comment ajouter un utilisateur ? | Comment retirer un utilisateur ?
Comment traduire de l'anglais vers le français ? | Comment traduire du français vers l'anglais ?
Le propriétaire peut-il expulser le locataire ? | Le locataire peut-il expulser le propriétaire ?
Quel est le taux d'imposition en 2023 ? | Quel est le taux d'imposition en 2024 ?
Le cabinet est-il ouvert le matin ? | Le cabinet est-il ouvert le soir ?
Comment augmenter la taille de la police ? | Comment diminuer la taille de la police ?
Que signifie l'erreur 404 ? | Que signifie l'erreur 403 ?
Comment embaucher un salarié ? | Comment licencier un salarié ?
Peut-on se rétracter avant 14 jours ? | Peut-on se rétracter après 14 jours ?
Comment envoyer un colis au Canada ? | Comment recevoir un colis du Canada ?
Peut-on voyager avec un chat ? | Peut-on voyager avec un chien ?
Comment rédiger une lettre de motivation ? | Comment rédiger une lettre de démission ?
Quels sont les symptômes de la grippe ? | Quelles sont les causes de la grippe ?
Qui a gagné la Coupe du monde 1998 ? | Qui a perdu la Coupe du monde 1998 ?
Comment congeler du pain ? | Comment décongeler du pain ?
Le musée est-il gratuit pour les étudiants ? | Le musée est-il gratuit pour les retraités ?
Quels pays touchent l'Espagne ? | Quels pays touchent le Portugal ?
Qu'est-ce que le diabète de type 1 ? | Qu'est-ce que le diabète de type 2 ?
Quelle est la durée du visa ? | Quel est le prix du visa ?
Où puis-je garer ma voiture ? | Où puis-je louer une voiture ?
Quelle est la différence de salaire brut ? | Quelle est la différence de salaire net ?
Puis-je travailler à plein temps ? | Puis-je travailler à temps partiel ?
Le bus s'arrête-t-il à la gare ? | Le train s'arrête-t-il à la gare ?
Est-ce que le chat mange la souris ? | Est-ce que la souris mange le chat ?
Le contrat dure trois mois ? | Le contrat dure trois semaines ?
Je n'ai que 10 euros, puis-je entrer ? | J'ai 10 euros, puis-je entrer ?
Je ne fume plus, quelle assurance ? | Je fume, quelle assurance ?
Faut-il déclarer un don de 500 € ? | Faut-il déclarer un don de 500 $ ?
Comment passer de Windows à Linux ? | Comment passer de Linux à Windows ?
Quel document pour vendre une voiture ? | Quel document pour acheter une voiture ?
Peut-on louer un appartement à Nice ? | Peut-on louer un appartement à Nantes ?
Comment allumer le chauffage ? | Comment éteindre le chauffage ?
Comment accorder un accès ? | Comment retirer un accès ?
Qui a peint Guernica ? | Qui a volé Guernica ?
Comment préparer un pain de seigle ? | Quelle est la méthode pour préparer un pain de mie ?
Le changement est-il réversible ? | Est-ce que le changement est irréversible ?
Où envoyer le formulaire ? | Quand envoyer le formulaire ?
Quel est l'âge minimum pour voter ? | Quel est l'âge minimum pour conduire ?
Comment devenir professeur ? | Comment devenir infirmier ?
Qui a écrit Germinal ? | Qui a écrit Nana ?
Le café provoque-t-il l'insomnie ? | L'insomnie provoque-t-elle l'envie de café ?
À quoi sert la pédale de gauche ? | À quoi sert la pédale de droite ?
Peut-on fumer à l'intérieur ? | Peut-on fumer à l'extérieur ?
Quel préavis pour le locataire ? | Quel préavis pour le propriétaire ?
Combien de calories dans une pomme ? | Combien de calories dans une banane ?
L'assurance couvre-t-elle le vol ? | L'assurance exclut-elle le vol ?
Le parking est-il inclus ? | Le parking est-il exclu ?
Comment afficher les fichiers cachés ? | Comment cacher les fichiers ?
Un mineur peut-il ouvrir un compte ? | Un majeur peut-il ouvrir un compte ?
Quel est le salaire brut d'un infirmier ? | Quel est le salaire net d'un infirmier ?
Peut-on vacciner un enfant malade ? | Peut-on vacciner un enfant non malade ?
L'événement est-il le 5 mai ? | L'événement est-il le 6 mai ?
Ai-je droit au chômage si je démissionne ? | Ai-je droit au chômage si je ne démissionne pas ?
Quelles conditions pour un visa de tourisme ? | Quelles conditions pour un visa de travail ?
Quel est le délai pour payer ? | Quel est le délai pour contester ?
Peut-on payer par chèque ? | Peut-on payer par carte ?
Pierre est-il plus grand que Paul ? | Paul est-il plus grand que Pierre ?
Comment synchroniser mon téléphone vers mon ordinateur ? | Comment synchroniser mon ordinateur vers mon téléphone ?
Le loyer est-il dû au début du mois ? | Le loyer est-il dû à la fin du mois ?
Qui remplace le maire ? | Qui le maire remplace-t-il ?
"""
PARAPHRASES = """
Comment annuler ma commande ? | Quelle est la procédure pour annuler une commande ?
Quel est le délai de livraison ? | Combien de temps prend la livraison ?
Comment changer mon adresse ? | Comment modifier mon adresse ?
Où trouver mes factures ? | Comment trouver mes factures ?
Quels documents pour ouvrir un compte ? | De quels documents ai-je besoin pour ouvrir un compte ?
Puis-je retourner un article soldé ? | Est-il possible de retourner un article soldé ?
Comment activer le mode sombre ? | Comment puis-je activer le mode sombre ?
Combien coûte la livraison ? | Quel est le prix de la livraison ?
Qui a inventé le téléphone ? | Qui est l'inventeur du téléphone ?
Quelle est la population de la France ? | Combien d'habitants y a-t-il en France ?
Le casque est-il obligatoire ? | Est-ce que le casque est obligatoire ?
Comment supprimer mon compte ? | Je voudrais supprimer mon compte, comment faire ?
Comment supprimer une ligne dans vim ? | Dans vim, comment supprimer une ligne ?
Combien de jours de vacances ai-je ? | À combien de jours de vacances ai-je droit ?
Comment installer Python sous Windows ? | Pouvez-vous m'expliquer comment installer Python sous Windows ?
Je n'arrive pas à me connecter, que faire ? | Je n'arrive pas à me connecter : comment faire ?
Quelle est la capitale de l'Allemagne ? | Quelle est la capitale allemande ?
Comment aller de Paris à Londres ? | Comment se rendre de Paris à Londres ?
Quelle est la plus grande planète ? | Peux-tu me dire quelle est la plus grande planète ?
Comment résilier mon assurance ? | Quelle est la marche à suivre pour résilier mon assurance ?
Comment contacter le service client ? | Comment joindre le service client ?
Peut-on payer en trois fois ? | Est-il possible de payer en 3 fois ?
Quels sont les horaires du musée ? | Quels sont les horaires d'ouverture du musée ?
Comment perdre du poids ? | Que faire pour perdre du poids ?
Combien de temps est valable un passeport ? | Quelle est la durée de validité d'un passeport ?
Faut-il un visa pour le Japon ? | Est-ce qu'il faut un visa pour le Japon ?
Comment bloquer un numéro ? | Comment faire pour bloquer un numéro ?
Comment enlever une tache de vin ? | Comment retirer une tache de vin ?
Quel est le salaire minimum en Suisse ? | À combien s'élève le salaire minimum en Suisse ?
Mon téléphone ne marche pas, que faire ? | Que faire si mon téléphone ne marche pas ?
Où est la pharmacie la plus proche ? | Peux-tu me dire où est la pharmacie la plus proche ?
Que signifie RGPD ? | Que veut dire RGPD ?
Quelle est la hauteur de la tour Eiffel ? | Combien mesure la tour Eiffel ?
Comment exporter mes données ? | Je souhaite exporter mes données, comment procéder ?
Comment nettoyer un clavier ? | Quelle est la meilleure façon de nettoyer un clavier ?
Comment déposer une plainte ? | Quelle est la procédure pour déposer une plainte ?
À quelle heure ferme le magasin ? | Quand ferme le magasin ?
Qui a découvert la pénicilline ? | Par qui la pénicilline a-t-elle été découverte ?
Quelle est la durée de la garantie ? | Combien de temps dure la garantie ?
Comment déclarer une carte perdue ? | J'ai perdu ma carte, comment la déclarer ?
Comment réparer un pneu crevé ? | Comment faire pour réparer un pneu crevé ?
Livrez-vous en Norvège ? | La livraison en Norvège est-elle possible ?
Quel est le montant du SMIC ? | À combien s'élève le SMIC ?
Comment obtenir un extrait de naissance ? | Comment demander un extrait de naissance ?
"""
