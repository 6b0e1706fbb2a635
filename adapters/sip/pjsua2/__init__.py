"""PJSIP as second SIP engine, in worker processes: the extra `[pjsua2]`. See README.md."""
