"""French words that mean the same in a question, a group a line; the form is that of `lexicon_en`."""

GROUPS = """
drop: je ne sais pas, je ne comprends pas, je ne sais plus, je ne suis pas sur, je n ai aucune idee,
drop: la meilleure facon de, quelle est la meilleure facon de, la meilleure maniere de, quelle est la meilleure maniere de, veut dire, signifier, signifie, signification
drop: peux tu me dire, pouvez vous me dire, pourriez vous me dire, peux-tu me dire, pouvez-vous me dire, pourriez-vous me dire, peux-tu m expliquer, pouvez-vous m expliquer, dis moi, dites moi, dis-moi, dites-moi, je voudrais savoir, j aimerais savoir, je veux savoir, je souhaite savoir, je me demande, savez vous, savez-vous, sais-tu, y a-t-il un moyen de, y a t il, y a-t-il, quelle est la procedure pour, quelle est la marche a suivre pour, la marche a suivre, marche a suivre, quelles sont les etapes pour, quelle est la demarche pour, quelle demarche pour, comment faire pour, comment proceder pour, comment proceder, comment s y prendre pour, comment m y prendre pour, comment s y prendre, comment m y prendre, comment puis-je, comment puis je, comment peut-on, comment peut on, comment dois-je, ou puis-je, que faire pour, que faire, comment faire, que dois-je faire pour, que dois-je faire, comment reagir, je voudrais, je souhaite, j aimerais, je veux, je cherche a, je dois, j ai besoin de, ai-je besoin de, ai-je besoin, est-ce que, est-ce qu on, est-ce qu, qu est-ce que, qu est-ce qu, qu est ce que, s il vous plait, s il te plait, merci, bonjour, bonsoir, salut, a droit, a-t-on droit, ai-je droit a, ai-je droit, avons-nous droit, dois-je, doit-on, aider a, aidez-moi, aide-moi, de quelle maniere, de quelle facon, quel moyen, aimerais bien, en quoi consiste
drop: besoin, vouloir, moyen, facon, maniere, methode, etape, procedure, demarche, processus, possible, savoir, dire, expliquer, decrire, faire, fait, fais, faites, avoir, aller, mettre, utiliser, utilisation, donner, prendre, chose, quelqu, personne, gens, salarie, employe, client, utilisateur, commande sql, fonction, formule, fournir, exactement, vraiment, actuellement, devoir, doit, dois, appliquer, applique, soumis, pouvoir, trouver, lesquels, lesquelles, effectuer, realiser, proceder, necessaire, concerner, exister, aujourd, suivre, lors, afin, souhaiter, aider, servir, permettre de, nom, ci-dessous, encore, deja, seulement que, quoi, nouveau, nouvelle, par ordre, dans l ordre, quelle commande, sur, ordre, t, il, puis, mise, place, se rendre, s eleve, s elever, s elevent, validite de, valable, se trouver, se trouve
a.cancel: annuler, annulation, resilier, resiliation, mettre fin, arreter mon abonnement, mettre un terme, se desabonner, me desabonner, desabonner, desinscrire, mettre fin a, interrompre, desabonnement, cloturer mon abonnement
a.pause: suspendre, suspension, mettre en pause, pause, geler
a.renew: renouveler, renouvellement, refaire, prolonger, reconduire, prolongation
a.reset: reinitialiser, reinitialisation, recuperer, oublie, oublier, perdu, retrouver, perdre, recuperation
a.change: modifier, modification, changer, changement, mettre a jour, editer, ajuster, mise a jour
a.mind: changer d avis, retractation, retracter, me retracter, se retracter, retracte
a.delete-: supprimer, suppression, retirer, enlever, effacer, oter, desinstaller, eliminer, desinstallation
a.delete+: ajouter, ajout, inserer, rajouter, installer, installation
a.power+: activer, activation, allumer, mettre en place, mettre en marche, mettre en route, active, activee, enclencher
a.power-: desactiver, desactivation, eteindre, couper, desactive, desactivee, arreter
a.open+: ouvrir, ouverture, creer, creation, rouvrir, ouvre, ouvert
a.open-: fermer, fermeture, cloturer, cloture, ferme
a.lock+: verrouiller, bloquer, verrouillage, blocage, bloque
a.lock-: deverrouiller, debloquer, deverrouillage, deblocage
a.begin+: commencer, debuter, demarrer, debut, commence, lancer, demarrage
a.begin-: terminer, finir, cesser, fin, termine
a.log+: se connecter, me connecter, connexion, connecter, s identifier, m identifier
a.log-: se deconnecter, me deconnecter, deconnexion, deconnecter
a.enrol+: s inscrire, m inscrire, inscription, inscrire, s abonner, souscrire, m abonner, souscription, adherer
a.buy+: acheter, achat, commander, commande, acquerir, acquisition
a.buy-: vendre, vente, revendre, revente
a.send+: envoyer, envoi, expedier, expedition, transmettre
a.send-: recevoir, reception, recu
a.move+: importer, televerser, importation, charger un fichier
a.grant+: accorder, octroyer
a.move-: exporter, telecharger, exportation, telechargement
a.accept+: accepter, approuver, acceptation, approbation
!a.accept-: refuser, refus, rejeter, rejet, decliner, refuse, refusee
a.raise+: augmenter, augmentation, accroitre, hausse, elever, monter, ameliorer, gagner, maximiser, hausser, grossir, prendre du poids
a.raise-: diminuer, diminution, reduire, reduction, baisser, baisse, abaisser, perdre du poids, minimiser, maigrir
a.encrypt+: chiffrer, chiffrement, crypter, coder
a.encrypt-: dechiffrer, dechiffrement, decrypter, decoder
a.compress+: compresser, zipper, compression
a.compress-: decompresser, dezipper, extraire, decompression
a.lend+: preter
a.lend-: emprunter
a.win+: gagner contre, battre, vaincre, vainqueur, gagnant, gagne
a.win-: perdre contre, perdant
a.show+: afficher, montrer, affichage
a.show-: masquer, cacher
a.merge+: fusionner, fusion, combiner, joindre, concatener
a.merge-: separer, diviser, scinder, separation
a.freeze+: congeler, congelation, surgeler
a.freeze-: decongeler, decongelation
a.fill+: remplir, remplissage
a.fill-: vider
a.climb+: montee
a.climb-: descendre, descente
a.heat+: chauffer, rechauffer, chauffage
a.heat-: refroidir, climatisation
a.enter+: entrer, entree
a.enter-: sortir, sortie
a.couple+: coupler, associer, jumeler, lier
a.couple-: dissocier, delier
a.pay: payer, paiement, regler, reglement, paye
a.refund: rembourser, remboursement, rembourse
a.contest: contester, contestation, s opposer, faire appel, faire recours
a.convert: convertir, conversion, transformer
a.sort: trier, tri, ordonner, classer, triage
a.copy: copier, dupliquer, copie
a.rename: renommer
a.cook: cuire, cuisson, cuisiner
a.write: ecrire, ecrit, auteur, ecrivain, autrice, roman
a.play: jouer, joue, acteur, actrice
a.deduct: deduire, deductible, deduction
a.withdraw: retrait
a.deposit: deposer, depot, verser
a.transfer: virement, transferer, transfert, virer
a.deliver: livrer, livraison, livre a
a.return: retourner, renvoyer, rendre, rapporter, retour
a.repair: reparer, reparation, resoudre, depanner
a.replace: remplacer, remplacement
a.travel: avion, vol, voyager, voyage
a.verify: verifier, verification, valider, validation
a.contact: contacter, joindre le, appeler, telephoner
a.apply: demander, demande, obtenir, obtention
a.save: sauvegarder, enregistrer, conserver, sauvegarde, conservation
a.restore: restaurer, restauration
a.share: partager, partage
a.print: imprimer, impression
a.translate: traduire, traduction
a.hire+: embaucher, recruter, embauche, recrutement
a.hire-: licencier, licenciement, renvoi
a.resign: demissionner, demission
a.rent: louer, location
a.sleep: dormir, sommeil
a.eat: manger, consommer
a.drink: boire
a.clean: nettoyer, laver, nettoyage, lavage
a.invent: inventer, invente, inventeur, decouvrir, decouvert
a.found: fonder, fonde, fondateur
a.paint: peindre, peint, peintre
a.work: marcher, marche, fonctionner, fonctionne, reussir, reussit, aboutir
!a.work: echouer, echoue, echec, en panne, hors service, ne repond plus, casse, cassee
!n.wrong: incorrect, incorrecte, errone, erronee, pas correct, pas correcte, pas le bon, pas la bonne
!: a peine
a.cause: provoquer, causer, entrainer, declencher
a.born+: naitre, ne en, naissance, nee en
a.born-: mourir, mort, deces, decede
a.borrow: credit immobilier
p.when+: avant, anterieur
p.when-: apres, posterieur, ensuite
p.side+: au-dessus, plus de, au moins, plus que, minimum, minimal, superieur, au minimum, superieure, depasser
p.side-: au-dessous, en dessous, moins de, au plus, moins que, maximum, maximal, inferieur, au maximum, inferieure, jusqu a
p.much+: plus grand, plus grande, plus cher, plus chere, plus long, plus eleve, plus haut, plus gros, plus vieux, plus rapide, plus fort, le plus, la plus, les plus, meilleur, meilleure, plus souvent
p.much-: plus petit, plus petite, moins cher, moins chere, plus court, moins eleve, plus bas, plus jeune, plus lent, plus faible, le moins, la moins, les moins, pire, moins souvent, moins
p.order-: decroissant, decroissante, du plus grand au plus petit, du plus eleve au plus bas, ordre inverse, descendant, de z a a
p.order+: croissant, croissante, du plus petit au plus grand, ascendant, alphabetique, de a a z
p.cost+: cher, couteux, onereux
p.cost-: pas cher, bon marche, economique
p.size+: grand, gros, grande
p.size-: petit, petite
p.length+: long, longue
p.length-: court, courte
p.age+: vieux, ancien, personne agee, ancienne
p.age-: jeune, recent
p.speed+: rapide, vite, accelerer, rapidement
p.speed-: lent, lentement, ralentir
p.dir+: entrant, interne, interieur, entrante, dedans
p.dir-: sortant, externe, exterieur, sortante, dehors
p.side2+: gauche
p.side2-: droite
p.cardinal1: nord
p.cardinal2: sud
p.cardinal3: est de, a l est
p.cardinal4: ouest
p.day+: jour ouvre, matin, de jour
p.day-: nuit, soir, de nuit
p.public+: public, publique
p.public-: prive, privee, confidentiel
p.fixed+: fixe, temporaire, determine, a duree determinee, cdd
p.fixed-: variable, permanent, indeterminee, a duree indeterminee, cdi
p.full+: temps plein, plein, complet, temps complet
p.full-: temps partiel, mi-temps, vide, partiel
p.safe+: sans danger, inoffensif, sur et
p.safe-: dangereux, dangereuse, nocif, risque
p.good+: avantage, benefice, atout, bon, bien pour, bienfait
p.good-: inconvenient, desavantage, mauvais, mefait
p.legal+: legal, licite, legale
p.legal-: illegal, interdit, illicite, illegale, interdite
p.hot+: chaud, chaude
p.hot-: froid, froide
p.hard+: difficile, dur, durs
p.hard-: facile, mollet, a la coque, mou, simple
p.online+: en ligne, internet, sur internet, site web, sur le site, par internet
p.online-: en magasin, magasin, boutique, en agence, en boutique
p.true+: vrai
p.true-: faux
p.male+: homme, pere, frere, garcon, mari, oncle
p.male-: femme, mere, soeur, epouse, tante
p.front+: devant, avant de la voiture
p.front-: derriere, arriere
p.gross+: brut, brute
p.gross-: net, nette
p.early+: tot
p.early-: tard, en retard
p.debit+: debit
p.debit-: credit
p.physical+: physique
p.physical-: virtuel, virtuelle, numerique, electronique
p.vertical+: vertical, verticalement, colonne
p.vertical-: horizontal, horizontalement, ligne
p.hyper+: hypertension, haut, haute, elevee, eleve
p.hyper-: hypotension, bas, basse, faible
p.wax+: mariage, marier, marie
p.wax-: divorce, divorcer
p.landlord+: proprietaire, bailleur
p.landlord-: locataire
p.boss+: employeur, patron
p.supply+: vendeur, fournisseur
p.supply-: acheteur
p.adult+: adulte, majeur
p.adult-: mineur
l.only: seulement, uniquement, exclusivement, rien que
l.except: sauf, excepte, hormis, a l exception de, a part, en dehors de, hors
l.every: tous les, toutes les, chaque, tous
m.must: faut, obligatoire, oblige, obligation, obliger, exiger, obligatoirement, faut-il, doit-on, imperatif, falloir, impose, imposer, requis, exige
m.may: est-il possible de, est-il possible, est-ce possible de, est-ce possible, est-ce qu il est possible, est-ce qu on peut, est-ce que je peux, on peut, je peux, autorise, autoriser, permis de, permettre, autorisation, peut-on, puis-je, a-t-on le droit, ai-je le droit, permise, autorisee, peut-il, droit de
m.should: conseille, recommande
q.price: combien coute, combien coutent, combien ca coute, prix, cout, tarif, couter, coute, montant
q.duration: combien de temps, duree, delai, temps, combien de minutes, combien d heures, combien de jours, combien de semaines, combien de mois, combien d annees, quel delai, temps de cuisson, pendant combien, duree de, sous quel delai, jusqu a quand, depuis combien
q.why: pourquoi, raison, pour quelle raison
q.whom: qui est-ce que, qui est-ce qu, a qui
q.who: qui, de qui, par qui
n.height: combien mesure, hauteur, quelle hauteur
n.weight: combien pese, poids, peser
n.age: quel age, age
q.when: en quelle annee, quelle annee, quand, a quelle heure, quelle date, a partir de quand, date
q.distance: quelle distance, distance
q.often: combien de fois, frequence, a quelle frequence
q.difference: difference, differer, differe, differentes, distinguer, distinction, differe-t-il
n.password: mot de passe, mdp, mots de passe
n.pin: code pin, pin
n.email: e-mail, email, mail, courriel, adresse e-mail, adresse mail, adresse email, messagerie
n.phone: numero de telephone, telephone, portable, mobile, smartphone
n.address: adresse, adresse postale, domicile
n.telework: teletravail, teletravailler, travail a distance, travailler a distance, travailler de chez, travailler depuis chez
n.twofactor: double authentification, authentification a deux facteurs, validation en deux etapes, authentification double facteur, double facteur, verification en deux etapes, deux facteurs, 2fa, a2f
n.identity: carte d identite, carte nationale d identite, cni, carte identite, piece d identite
n.document: document, papier, piece, pieces, justificatif
n.leave: conge, conges payes, conge annuel, jours de conge, vacances, vacances payees, jours de conges payes, jours de vacances, jours de vacances payees, conge paye, conges
n.publicholiday: jours feries, jour ferie, ferie, feries
n.sick: arret maladie, conge maladie, arret de travail
n.parental: conge maternite, maternite
n.paternal: conge paternite, paternite
n.child: enfant, fils, fille, bebe, nourrisson, gamin
n.cost: frais, depense, depenses
n.meal: repas, dejeuner, diner
n.restaurant: restaurant, restauration
n.tax: impot, impots, fiscal, imposable, revenu imposable, fisc, impot sur le revenu
n.vat: tva, taxe sur la valeur ajoutee
n.rate: taux, pourcentage
n.fever: fievre, temperature
n.side: effets secondaires, effet secondaire, effets indesirables, effet indesirable
n.contra: contre-indication, contre-indications, contre indications
n.ticket: amende, contravention, pv, proces-verbal, prune
n.parking: stationnement, stationner
n.speeding: exces de vitesse
n.capital: capitale, ville capitale, ville est la capitale
n.city: ville, commune
n.country: pays, nation
n.population: population, habitants, habitant
n.car: voiture, auto, automobile, vehicule
n.bike: velo, bicyclette
n.train: train
n.bus: bus, autobus, autocar
n.house: maison
n.flat: appartement
n.doctor: medecin, docteur
n.lawyer: avocat
n.job: emploi, poste, travail, boulot
n.salary: salaire, paie, remuneration
n.company: entreprise, societe, compagnie
n.bill: facture
n.account: compte
n.card: carte, carte bancaire, carte bleue, cb
n.photo: photo, image, photographie
n.film: film
n.book: livre, bouquin, livres
n.song: chanson
n.medicine: medicament, comprime, cachet
n.pain: douleur, mal de
n.year: annuel, par an, annuellement, chaque annee, tous les ans, par annee
n.month: mensuel, par mois, chaque mois, tous les mois
n.week: hebdomadaire, par semaine, chaque semaine, toutes les semaines
n.day: quotidien, par jour, chaque jour, tous les jours
n.hour: par heure, de l heure
n.hours: horaires d ouverture, heures d ouverture, horaire, horaires
n.number: nombre, combien, quantite, nombre de
n.list: liste, tableau
n.dict: dictionnaire
n.file: fichier
n.folder: dossier, repertoire
n.error: erreur, bug, probleme, souci, panne
n.screen: ecran
n.pc: ordinateur, pc
n.app: application, appli
n.subscription: abonnement, forfait
n.insurance: assurance
n.contract: contrat
n.passport: passeport
n.visa: visa
n.licence: permis de conduire
n.size: taille, dimension
n.pregnant: enceinte, grossesse
g.usa: etats-unis, usa, americain, amerique
g.uk: royaume-uni, grande-bretagne, britannique
g.fr: france, francais, francaise
g.de: allemagne, allemand
g.es: espagne, espagnol
g.it: italie, italien
g.en: angleterre, anglais
g.be: belgique, belge
g.ch: suisse
g.nl: pays-bas, hollande, neerlandais
g.at: autriche, autrichien
g.au: australie, australien, australienne
g.cn: chine, chinois
g.jp: japon, japonais
g.ma: maroc, marocain
g.eu: union europeenne, ue
n.limit: limite, plafond
n.sign: signature
d.01: janvier
d.02: fevrier
d.03: mars
d.04: avril
d.05: mai
d.06: juin
d.07: juillet
d.08: aout
d.09: septembre
d.10: octobre
d.11: novembre
d.12: decembre
d.mon: lundi
d.tue: mardi
d.wed: mercredi
d.thu: jeudi
d.fri: vendredi
d.sat: samedi
d.sun: dimanche
d.spring: printemps
d.autumn: automne
d.winter: hiver
d.easter: paques
d.christmas: noel
d.last: dernier, derniere, precedent, precedente
d.next: prochain, prochaine, suivant, suivante
d.today: aujourd hui
d.tomorrow: demain
d.yesterday: hier
c.eur: euro, eur
c.usd: dollar, usd
c.gbp: livre sterling, livres sterling, gbp
c.chf: franc suisse, chf
c.jpy: yen, jpy
c.cny: yuan, cny
c.cad: dollar canadien
"""
