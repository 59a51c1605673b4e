import sys
from tests.fuzz.engine import *
from tests.fuzz.draw import *
from tests.fuzz import filter_case, promise_case, block_case
t=Tally(); b=bar_of(int(sys.argv[1]), True)
import torch; torch.set_num_threads(1)
hunt("promises", promise_cases(), promise_case.check, int(sys.argv[1]), int(sys.argv[2]), t, b)
hunt("blocks", block_cases(), block_case.check, int(sys.argv[1]), int(sys.argv[2]), t, b)
print(t.verdicts, t.seconds); 
for k,v in t.refusals.most_common(): print(v,k)
for k,v in t.failures.items(): print(v.count,k,'|',str(v.error)[:150])
