"""Good work on course texts, written for these tests: what the checks have to leave alone.

Each is (operation, language written into or "", form, source, what was written).
"""

from __future__ import annotations

EXCEL_FR = (
    "Formation Excel niveau 2. Durée : 14 h sur deux jours, de 9 h à 17 h. Tarif : 1 200,50 € HT par personne. "
    "Prochaine session le 12 mars 2026 à Lyon. Inscription : https://exemple.fr/excel?niveau=2 ou contact@exemple.fr. "
    "Le groupe compte 8 à 12 participants, et 95 % d'entre eux recommandent Marie Dupont."
)
EXCEL_EN = (
    "Excel course, level 2. It takes 14 hours over two days, from 9 a.m. to 5 p.m. The price is €1,200.50 excl. VAT per person. "
    "The next session is on March 12, 2026 in Lyon. Register at https://exemple.fr/excel?niveau=2 or contact@exemple.fr. "
    "The group has 8 to 12 participants, and 95% of them recommend Marie Dupont."
)
RGPD_FR = (
    "Le RGPD s'applique depuis le 25 mai 2018. Cette journée de formation, animée par une juriste de la CNIL, "
    "vous apprend à tenir un registre, à répondre aux demandes en moins d'un mois et à notifier une violation sous 72 heures."
)
RGPD_EN = (
    "The GDPR has applied since 25 May 2018. This one-day course, led by a lawyer from the CNIL, "
    "teaches you to keep a record, to answer requests within one month and to report a breach within 72 hours."
)
MARKDOWN_FR = (
    "# Prise en main de Moodle\n\n## Objectifs\n\n- Créer un cours\n- Suivre 30 apprenants\n- Publier un quiz\n\n"
    "## Programme\n\n| Module | Durée |\n|---|---|\n| Bases | 3 h |\n| Quiz | 1 h 30 |\n\n"
    "Voir [la documentation](https://docs.moodle.org/fr) et ![capture](images/cours.png).\n\n"
    "```bash\nphp admin/cli/install.php --lang=fr\n```\n\nBonjour {prenom}, votre code est `MDL-42`."
)
MARKDOWN_EN = (
    "# Getting started with Moodle\n\n## Objectives\n\n- Create a course\n- Follow 30 learners\n- Publish a quiz\n\n"
    "## Programme\n\n| Module | Length |\n|---|---|\n| Basics | 3 hours |\n| Quiz | 1.5 hours |\n\n"
    "See [the documentation](https://docs.moodle.org/fr) and ![screenshot](images/cours.png).\n\n"
    "```bash\nphp admin/cli/install.php --lang=fr\n```\n\nHello {prenom}, your code is `MDL-42`."
)
MARKDOWN_FR_2 = (
    "# Bien démarrer avec Moodle\n\n## Ce que vous saurez faire\n\n- Concevoir un cours\n- Accompagner 30 apprenants\n- Mettre en ligne un quiz\n\n"
    "## Déroulé\n\n| Module | Temps |\n|---|---|\n| Les bases | 3 h |\n| Le quiz | 90 min |\n\n"
    "Consultez [la documentation](https://docs.moodle.org/fr) et regardez ![capture d'écran](images/cours.png).\n\n"
    "```bash\nphp admin/cli/install.php --lang=fr\n```\n\nBonjour {prenom}, voici votre code : `MDL-42`."
)
HTML_FR = (
    "<h2>Gestes et postures</h2><p>Une demi-journée (3&nbsp;h&nbsp;30) pour <strong>20&nbsp;salariés</strong> au plus, "
    '<a href="https://exemple.fr/gestes">programme complet</a>.</p><ul><li>Porter une charge de 25 kg</li><li>Travailler assis</li></ul>'
)
HTML_EN = (
    "<h2>Lifting and posture</h2><p>Half a day (3.5 hours) for up to <strong>20 employees</strong>, "
    '<a href="https://exemple.fr/gestes">full programme</a>.</p><ul><li>Lifting a load of 25 kg</li><li>Working while seated</li></ul>'
)
HTML_FR_2 = (
    "<h2>Gestes et postures au travail</h2><p>En une demi-journée de 3 h 30, formez jusqu’à <strong>20 salariés</strong> : "
    '<a href="https://exemple.fr/gestes">voir le programme</a>.</p><ul><li>Soulever une charge de 25 kg</li><li>Bien travailler assis</li></ul>'
)
SALES_EN = (
    "Negotiation for sales teams. Three modules of 45 minutes each, a pass mark of 80%, and a certificate valid for 2 years. "
    "Built with Harvard research and used by LinkedIn since 2019. Call +33 1 23 45 67 89 before Friday."
)
SALES_FR = (
    "La négociation pour les équipes commerciales. Trois modules de 45 minutes, un seuil de réussite de 80 % et un certificat valable 2 ans. "
    "Conçue à partir des recherches de Harvard et utilisée par LinkedIn depuis 2019. Appelez le 01 23 45 67 89 avant vendredi."
)
PYTHON_FR = (
    "Python pour l'analyse de données : 5 jours, soit 35 heures, pour passer des bases à pandas. "
    "Prérequis : avoir suivi le module 1 ou obtenu 12/20 au test. Le 1er groupe démarre le lundi 4 mai 2026, le second le 8 juin."
)
PYTHON_EN = (
    "Python for data analysis: 5 days, or 35 hours, to go from the basics to pandas. "
    "Prerequisites: having taken module 1 or scored 12/20 in the test. The first group starts on Monday, May 4, 2026, the second on June 8."
)
SST_FR = (
    "Devenez sauveteur secouriste du travail (SST) en 14 heures. Chaque année, plus de 600 000 accidents du travail sont déclarés en France. "
    "La formation coûte 250 € par stagiaire, finançable par votre OPCO, et le certificat se renouvelle tous les 24 mois."
)
SST_EN = (
    "Become a workplace first-aider (SST) in 14 hours. Every year, more than 600,000 accidents at work are reported in France. "
    "The course costs EUR 250 per trainee, which your OPCO can fund, and the certificate is renewed every 24 months."
)
MANAGE_EN = (
    "Leading remote teams is harder than it looks. In this two-hour workshop you will learn how to run better meetings, "
    "give feedback and keep people motivated. Sarah Miller, who led a team of 120 people at Google, shares what worked for her."
)
MANAGE_FR = (
    "Diriger des équipes à distance est plus difficile qu'il n'y paraît. Dans cet atelier de deux heures, vous apprendrez à mieux conduire vos réunions, "
    "à faire des retours et à entretenir la motivation. Sarah Miller, qui a dirigé une équipe de 120 personnes chez Google, raconte ce qui a marché."
)
SOFT_FR = (
    "Prendre la parole en public fait peur à beaucoup d'entre nous. Cette formation propose des exercices simples, filmés puis commentés, "
    "afin de gagner en aisance devant un petit groupe, puis devant une salle entière."
)
SOFT_EN = (
    "Speaking in public frightens many of us. This course offers simple exercises, filmed and then discussed, "
    "so that you grow more at ease in front of a small group, and then in front of a whole room."
)

GOOD: tuple[tuple[str, str, str, str, str], ...] = (
    ("translate", "en", "plain", EXCEL_FR, EXCEL_EN),
    ("translate", "fr", "plain", EXCEL_EN, EXCEL_FR),
    ("translate", "en", "plain", RGPD_FR, RGPD_EN),
    ("translate", "fr", "plain", RGPD_EN, RGPD_FR),
    ("translate", "en", "markdown", MARKDOWN_FR, MARKDOWN_EN),
    ("translate", "fr", "markdown", MARKDOWN_EN, MARKDOWN_FR),
    ("translate", "en", "html", HTML_FR, HTML_EN),
    ("translate", "fr", "html", HTML_EN, HTML_FR),
    ("translate", "fr", "plain", SALES_EN, SALES_FR),
    ("translate", "en", "plain", SALES_FR, SALES_EN),
    ("translate", "en", "plain", PYTHON_FR, PYTHON_EN),
    ("translate", "fr", "plain", PYTHON_EN, PYTHON_FR),
    ("translate", "en", "plain", SST_FR, SST_EN),
    ("translate", "fr", "plain", SST_EN, SST_FR),
    ("translate", "fr", "plain", MANAGE_EN, MANAGE_FR),
    ("translate", "en", "plain", MANAGE_FR, MANAGE_EN),
    ("translate", "en", "plain", SOFT_FR, SOFT_EN),
    ("translate", "fr", "plain", SOFT_EN, SOFT_FR),
    (
        "rewrite", "", "plain", EXCEL_FR,
        "Perfectionnez-vous sur Excel (niveau 2) en deux jours, soit 14 heures de formation, de 9h00 à 17h00. Rendez-vous à Lyon le 12/03/2026 "
        "avec Marie Dupont, que recommandent 95 % des participants. Les groupes réunissent entre 8 et 12 personnes, au tarif de 1200,50 euros HT "
        "par personne. Pour vous inscrire : https://exemple.fr/excel?niveau=2, ou écrivez à contact@exemple.fr.",
    ),
    (
        "rewrite", "", "plain", EXCEL_EN,
        "Take your Excel skills to level 2 in two days. You will spend 14 hours with us, from 9:00 am to 5:00 pm, in a group of 8–12 participants. "
        "Join us in Lyon on 12 March 2026 for EUR 1,200.50 per person (excl. VAT). Marie Dupont is recommended by 95 percent of those who came. "
        "Sign up: https://exemple.fr/excel?niveau=2 or contact@exemple.fr.",
    ),
    (
        "rewrite", "", "plain", RGPD_FR,
        "Depuis le 25 mai 2018, le RGPD s'impose à tous. En une journée avec une juriste de la CNIL, apprenez à tenir votre registre, "
        "à répondre aux demandes en moins d'un mois et à signaler une violation dans les 72 h.",
    ),
    ("rewrite", "", "markdown", MARKDOWN_FR, MARKDOWN_FR_2),
    ("rewrite", "", "html", HTML_FR, HTML_FR_2),
    (
        "rewrite", "", "plain", SALES_EN,
        "Train your sales team to negotiate in 3 modules of 45 min each. You need 80 percent to pass, and your certificate lasts two years. "
        "The course builds on research from Harvard, and LinkedIn has been using it since 2019. Call us on 01 23 45 67 89 before Friday.",
    ),
    (
        "rewrite", "", "plain", PYTHON_FR,
        "En cinq jours (35 h), passez des bases de Python à l'analyse de données avec pandas. Il faut avoir suivi le module 1, ou obtenu 12 sur 20 au test. "
        "Deux groupes : le premier commence le lundi 4 mai 2026, le deuxième le 8 juin 2026.",
    ),
    (
        "rewrite", "", "plain", SST_FR,
        "En France, plus de 600 000 accidents du travail sont déclarés chaque année. En 14 h, devenez SST, sauveteur secouriste du travail, "
        "pour 250 euros par stagiaire que votre OPCO peut financer. Pensez à renouveler votre certificat tous les 24 mois.",
    ),
    (
        "rewrite", "", "plain", MANAGE_EN,
        "Remote teams are hard to lead. Spend two hours with us and learn to run better meetings, to give feedback and to keep your people motivated. "
        "Your host is Sarah Miller, who tells what worked for her team of 120 people at Google.",
    ),
    (
        "rewrite", "", "plain", SOFT_FR,
        "Vous redoutez de parler en public ? Des exercices simples, filmés puis commentés, vous aident à gagner en aisance, "
        "d'abord devant un petit groupe, ensuite devant toute une salle.",
    ),
    (
        "summarise", "", "plain", EXCEL_FR,
        "Une formation Excel de niveau 2, en deux jours à Lyon, pour des groupes de 8 à 12 participants, que 95 % d'entre eux recommandent.",
    ),
    (
        "summarise", "", "plain", SALES_EN,
        "A short negotiation course for sales teams in three modules, with a certificate that is valid for two years and a pass mark of 80%.",
    ),
    (
        "summarise", "en", "plain", SST_FR,
        "Become a workplace first-aider in 14 hours; your OPCO can fund the course, and the certificate has to be renewed every two years, or 24 months.",
    ),
    (
        "summarise", "", "markdown", MARKDOWN_FR,
        "Une prise en main de Moodle pour créer un cours, suivre trente apprenants et publier un quiz, en deux modules de 3 h et 1 h 30.",
    ),
    (
        "summarise", "fr", "plain", MANAGE_EN,
        "Un atelier de deux heures pour mieux diriger des équipes à distance, avec l'expérience de Sarah Miller chez Google : réunions, retours et motivation.",
    ),
    (
        "summarise", "", "html", HTML_FR,
        "Une demi-journée de formation aux gestes et postures, pour vingt salariés au plus : porter une charge et travailler assis sans se blesser.",
    ),
)  # fmt: skip
