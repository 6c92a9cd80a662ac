"""THE HOT PATH: plan, start, relay, settle. Four small objects, one promise each."""
