package dmctl

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// reportOf is a report with a verdict, and these findings.
func reportOf(v verify.Verdict, codes ...verify.Code) *verify.Report {
	r := &verify.Report{Verdict: v, Counts: map[verify.Code]uint64{}}
	for _, c := range codes {
		r.Counts[c] = 1
	}
	return r
}

// leaking is a report with leaked chunks.
func leaking(r *verify.Report) *verify.Report {
	r.Leaks.Chunks = 3
	return r
}

func TestPlanRescue(t *testing.T) {
	type steps = []RescueStep
	type notes = []RescueNote
	full, damaged := verify.StoreFull, verify.ChunkBeyondDevice
	for name, test := range map[string]struct {
		request RescueRequest
		want    Rescue
	}{
		"nothing is wrong":                  {RescueRequest{Report: reportOf(verify.Clean)}, Rescue{}},
		"only leaked":                       {RescueRequest{Report: leaking(reportOf(verify.Leaked, verify.LeakedChunks))}, Rescue{}},
		"only asked for":                    {RescueRequest{Report: reportOf(verify.Clean), Extract: true}, Rescue{Steps: steps{RescueImage}}},
		"only to be active":                 {RescueRequest{Report: reportOf(verify.Clean), Activate: true}, Rescue{Steps: steps{RescueActivation}}},
		"a lost header":                     {RescueRequest{Report: reportOf(verify.Unrecognized), Activate: true}, Rescue{Steps: steps{RescueHeader}, Notes: notes{RescueValidityUnknown, RescueImagePossible}, Broken: true}},
		"an image without header":           {RescueRequest{Report: reportOf(verify.Unrecognized), Extract: true}, Rescue{Steps: steps{RescueUncertainImage}, Notes: notes{RescueValidityUnknown}}},
		"no header, the origin is the same": {RescueRequest{Report: reportOf(verify.Unrecognized), OriginUnchanged: true, Activate: true}, Rescue{Steps: steps{RescueHeader, RescueValid, RescueCheck, RescueActivation}}},
		"a wrong chunk size":                {RescueRequest{Report: reportOf(verify.Corrupt, verify.BadChunkSize), OriginUnchanged: true, Extract: true}, Rescue{Steps: steps{RescueHeader, RescueValid, RescueCheck, RescueImage}}},
		"a wrong chunk size, and an image":  {RescueRequest{Report: reportOf(verify.Corrupt, verify.BadChunkSize), Extract: true}, Rescue{Steps: steps{RescueUncertainImage}, Notes: notes{RescueValidityUnknown}}},
		"a missing area":                    {RescueRequest{Report: reportOf(verify.Corrupt, verify.TruncatedArea), AssumeCanonical: true, OriginUnchanged: true}, Rescue{Notes: notes{RescueAreaMissing, RescueImagePossible}, Broken: true}},
		"a missing area, and an image":      {RescueRequest{Report: reportOf(verify.Corrupt, verify.TruncatedArea), Extract: true}, Rescue{Steps: steps{RescueUncertainImage}, Notes: notes{RescueAreaMissing}}},
		"damaged, with any layout":          {RescueRequest{Report: reportOf(verify.Corrupt, damaged), Activate: true}, Rescue{Notes: notes{RescueLayoutUnknown, RescueImagePossible}, Broken: true}},
		"stale":                             {RescueRequest{Report: reportOf(verify.Stale, verify.StaleRecord), Extract: true}, Rescue{Steps: steps{RescueStale, RescueCheck, RescueImage}}},
		"stale and leaked":                  {RescueRequest{Report: reportOf(verify.Leaked, verify.StaleRecord, verify.LeakedChunks)}, Rescue{Steps: steps{RescueStale, RescueCheck}}},
		"damaged":                           {RescueRequest{Report: reportOf(verify.Corrupt, damaged), AssumeCanonical: true, Activate: true}, Rescue{Steps: steps{RescueDamage, RescueCheck, RescueActivation}, Notes: notes{RescueMayNotRepair}}},
		"damaged and stale":                 {RescueRequest{Report: reportOf(verify.Corrupt, damaged, verify.StaleRecord), AssumeCanonical: true}, Rescue{Steps: steps{RescueDamage, RescueCheck}, Notes: notes{RescueMayNotRepair}}},
		"damaged, and an image":             {RescueRequest{Report: reportOf(verify.Corrupt, damaged), Extract: true}, Rescue{Steps: steps{RescueUncertainImage}}},
		"growth that is useless":            {RescueRequest{Report: reportOf(verify.Stale, verify.StaleRecord), Grow: true}, Rescue{Steps: steps{RescueStale, RescueCheck}, Notes: notes{RescueGrowthUnused}}},

		"invalid":                         {RescueRequest{Report: reportOf(verify.Invalid, verify.SnapshotInvalid), Activate: true}, Rescue{Notes: notes{RescueOriginMayDiffer, RescueImagePossible}, Broken: true}},
		"invalid, and an image":           {RescueRequest{Report: reportOf(verify.Invalid, verify.SnapshotInvalid), Extract: true}, Rescue{Steps: steps{RescueUncertainImage}, Notes: notes{RescueOriginMayDiffer}}},
		"invalid, the origin is the same": {RescueRequest{Report: reportOf(verify.Invalid, verify.SnapshotInvalid), OriginUnchanged: true, Extract: true}, Rescue{Steps: steps{RescueValid, RescueCheck, RescueImage}}},
		"invalid and stale":               {RescueRequest{Report: reportOf(verify.Invalid, verify.SnapshotInvalid, verify.StaleRecord), OriginUnchanged: true}, Rescue{Steps: steps{RescueValid, RescueCheck}}},
		"invalid without the last area":   {RescueRequest{Report: reportOf(verify.Invalid, verify.SnapshotInvalid, verify.TruncatedArea), OriginUnchanged: true}, Rescue{Notes: notes{RescueAreaMissing, RescueImagePossible}, Broken: true}},
		"invalid and damaged":             {RescueRequest{Report: reportOf(verify.Invalid, verify.SnapshotInvalid, damaged), OriginUnchanged: true, AssumeCanonical: true}, Rescue{Steps: steps{RescueDamage, RescueValid, RescueCheck}, Notes: notes{RescueMayNotRepair}}},
		"invalid, damaged, and an image":  {RescueRequest{Report: reportOf(verify.Invalid, verify.SnapshotInvalid, damaged), OriginUnchanged: true, Extract: true}, Rescue{Steps: steps{RescueUncertainImage}}},
		"invalid and full":                {RescueRequest{Report: leaking(reportOf(verify.Invalid, full)), OriginUnchanged: true, IsFile: true}, Rescue{Steps: steps{RescueValid, RescueCheck}, Notes: notes{RescueFullFile}, Full: true}},
		"invalid, full, and may grow":     {RescueRequest{Report: reportOf(verify.Invalid, full), OriginUnchanged: true, IsFile: true, Grow: true}, Rescue{Steps: steps{RescueValid, RescueCheck}}},

		"full":                    {RescueRequest{Report: reportOf(verify.Clean, full), IsFile: true}, Rescue{Notes: notes{RescueFullFile}, Full: true}},
		"full, and may grow":      {RescueRequest{Report: reportOf(verify.Clean, full), IsFile: true, Grow: true}, Rescue{Steps: steps{RescueGrowFile, RescueCheck}}},
		"full of leaks":           {RescueRequest{Report: leaking(reportOf(verify.Leaked, full)), IsFile: true}, Rescue{Steps: steps{RescueLeaks, RescueCheck}, Notes: notes{RescueFullFile}}},
		"full of leaks, may grow": {RescueRequest{Report: leaking(reportOf(verify.Leaked, full)), IsFile: true, Grow: true}, Rescue{Steps: steps{RescueLeaks, RescueGrowFile, RescueCheck}}},
		"a full device":           {RescueRequest{Report: reportOf(verify.Clean, full), Grow: true}, Rescue{Notes: notes{RescueFullDevice, RescueGrowthUnused}, Full: true}},
		"full and active":         {RescueRequest{Report: leaking(reportOf(verify.Leaked, full)), IsFile: true, Grow: true, InUse: true, Snapshot: "s"}, Rescue{Steps: steps{RescueGrowActive, RescueCheck}}},
		"full, and in a merge":    {RescueRequest{Report: reportOf(verify.Clean, full), IsFile: true, Grow: true, InUse: true}, Rescue{Notes: notes{RescueFullDevice, RescueGrowthUnused}, Full: true}},

		"stale and active":            {RescueRequest{Report: reportOf(verify.Stale, verify.StaleRecord), InUse: true, Snapshot: "s"}, Rescue{Steps: steps{RescueStale, RescueCheck}, Notes: notes{RescueHeld}, Held: true}},
		"invalid and active":          {RescueRequest{Report: reportOf(verify.Invalid), OriginUnchanged: true, InUse: true, Snapshot: "s"}, Rescue{Steps: steps{RescueValid, RescueCheck}, Notes: notes{RescueHeld}, Held: true}},
		"an image of an invalid one":  {RescueRequest{Report: reportOf(verify.Invalid), Extract: true, InUse: true, Snapshot: "s"}, Rescue{Steps: steps{RescueUncertainImage}, Notes: notes{RescueOriginMayDiffer}}},
		"an image of an active one":   {RescueRequest{Report: reportOf(verify.Clean), Extract: true, InUse: true, Snapshot: "s"}, Rescue{Steps: steps{RescueImage}, Notes: notes{RescueHeld}, Held: true}},
		"activation of an active one": {RescueRequest{Report: reportOf(verify.Clean), Activate: true, InUse: true, Snapshot: "s"}, Rescue{Steps: steps{RescueActivation}, Notes: notes{RescueHeld}, Held: true}},
	} {
		if diff := cmp.Diff(test.want, PlanRescue(test.request)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
