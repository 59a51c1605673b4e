import sys
from tests.fuzz.engine import *
from tests.fuzz.draw import *
from tests.fuzz import analysis_case, bad_case
t=Tally(); b=bar_of(int(sys.argv[1]), True)
import torch; torch.set_num_threads(1)
hunt("analysis", analysis_cases(), analysis_case.check, int(sys.argv[1]), int(sys.argv[2]), t, b)
hunt("bad", bad_cases(), bad_case.check, int(sys.argv[1]), int(sys.argv[2]), t, b)
print(t.verdicts, t.seconds); 
for k,v in t.refusals.most_common(): print(v,k)
for k,v in t.failures.items(): print(v.count,k,'|',str(v.error)[:150])
