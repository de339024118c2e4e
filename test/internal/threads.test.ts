/** The default number of threads: what the process may use, and no more than the model is worth. */

import test from "ava";
import { cgroupQuota, chooseThreads, threadsForWeights } from "../../lib/internal/threads.js";

const reader = (files: Record<string, string>) => (path: string) => files[path];

test("without a cgroup there is no quota", (t) => {
  t.is(cgroupQuota(reader({})), undefined);
  t.is(cgroupQuota(reader({ "/proc/self/cgroup": "0::/user.slice\n" })), undefined);
});

test("a cgroup of version 2 limits by cpu.max", (t) => {
  const cgroup = { "/proc/self/cgroup": "0::/docker/abc\n" };
  t.is(cgroupQuota(reader({ ...cgroup, "/sys/fs/cgroup/docker/abc/cpu.max": "150000 100000\n" })), 1.5);
  t.is(cgroupQuota(reader({ ...cgroup, "/sys/fs/cgroup/docker/abc/cpu.max": "max 100000\n" })), undefined);
});

test("the smallest quota on the way to the root counts", (t) => {
  const files = {
    "/proc/self/cgroup": "0::/a/b\n",
    "/sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
    "/sys/fs/cgroup/a/cpu.max": "200000 100000\n",
    "/sys/fs/cgroup/cpu.max": "max 100000\n",
  };
  t.is(cgroupQuota(reader(files)), 2);
});

test("a cgroup of version 1 limits by quota and period", (t) => {
  const cgroup = { "/proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/c\n" };
  const quota = (us: string) =>
    cgroupQuota(
      reader({
        ...cgroup,
        "/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": us,
        "/sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
      }),
    );
  t.is(quota("300000\n"), 3);
  t.is(quota("-1\n"), undefined);
});

test("a controller of version 1 is found under the names of all controllers that it is mounted with", (t) => {
  const folder = "/sys/fs/cgroup/cpu,cpuacct";
  const files = {
    "/proc/self/cgroup": "4:cpu,cpuacct:/\n0::/init.scope\n",
    [`${folder}/cpu.cfs_quota_us`]: "100000\n",
    [`${folder}/cpu.cfs_period_us`]: "100000\n",
  };
  t.is(cgroupQuota(reader(files)), 1);
});

test("beside version 1, version 2 is found in its own folder", (t) => {
  const files = { "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/unified/a/cpu.max": "250000 100000\n" };
  t.is(cgroupQuota(reader(files)), 2.5);
});

test("a cgroup's path may hold colons, or name a folder that the container does not see", (t) => {
  const own = { "/sys/fs/cgroup/a:b/cpu.max": "100000 100000\n" };
  t.is(cgroupQuota(reader({ "/proc/self/cgroup": "0::/a:b\n", ...own })), 1);
  const mount = { "/sys/fs/cgroup/cpu.max": "200000 100000\n" };
  t.is(cgroupQuota(reader({ "/proc/self/cgroup": "0::/../other\n", ...mount })), 2);
  t.is(cgroupQuota(reader({ "/proc/self/cgroup": "hello\n\n0:", "/sys/fs/cgroup/cpu.max": "abc" })), undefined);
});

test("threads are the cores of the affinity, cut by the quota, and at least one", (t) => {
  t.is(chooseThreads(8, undefined).threads, 8);
  t.is(chooseThreads(8, 2.5).threads, 2);
  t.is(chooseThreads(8, 0.5).threads, 1);
  t.is(chooseThreads(2, 16).threads, 2);
  t.regex(chooseThreads(8, 2).reason, /2 of 8/);
});

test("a small model gets fewer threads, a large one all", (t) => {
  t.is(threadsForWeights(8, 0), 1);
  t.is(threadsForWeights(8, 1_700_000), 1);
  t.is(threadsForWeights(8, 9 * 2 ** 20), 3);
  t.is(threadsForWeights(8, 3e9), 8);
});
