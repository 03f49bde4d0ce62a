"""Files given out again: links by which anyone gets one for a while, and the bytes behind them."""
