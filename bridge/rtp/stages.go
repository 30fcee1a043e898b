package rtp

// Stage names a step of the pipeline.
type Stage int

// The stages in the order of a packet's way.
const (
	StageParse Stage = iota
	StageDecrypt
	StageRepair
	StageLayers
	StageRewrite
	StageSend
	stageCount
)

var stageNames = [stageCount]string{"parse", "decrypt", "repair", "layers", "rewrite", "send"}

// String returns the name of the stage as metrics show it.
func (s Stage) String() string { return stageNames[s] }
