"""Which process read which resolv.conf, and queried which nameserver when."""
