"""Short documents written for these tests."""

COURSE_FR = """La formation « Python pour débutants » dure trois jours et coûte 1 200 € HT. Elle a lieu à Lyon, du 12 au \
14 mars 2026. Le déjeuner est inclus.

Conditions d'annulation : toute annulation reçue au moins 14 jours avant le début est remboursée intégralement. Passé \
ce délai, 30 % du prix restent dus. M. Dupont, responsable pédagogique, répond à vos questions."""

SHOP_EN = """Our online shop ships to all EU countries within 5 working days. Returns are accepted for 30 days after \
delivery; items must be unused. Refunds are paid to the original payment method within a week.

The company was founded in 1998 by Anna Schmidt in Berlin. It now has 120 employees. Customer service is open Monday \
to Friday from 9 a.m. to 6 p.m."""
