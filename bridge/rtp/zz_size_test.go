package rtp
import ("testing";"unsafe";"fmt")
func TestSizes(t *testing.T){
 var d downStream; var o outStream; var e Endpoint; var l leg; var h twccSender
 fmt.Println("down",unsafe.Sizeof(d),"enc",unsafe.Offsetof(d.encoding),"seq",unsafe.Offsetof(d.seq),unsafe.Sizeof(d.seq),"frames",unsafe.Offsetof(d.frames),"layers",unsafe.Offsetof(d.layers),unsafe.Sizeof(d.layers), "tsDelta",unsafe.Offsetof(d.tsDelta))
 fmt.Println("out",unsafe.Sizeof(o),unsafe.Offsetof(o.lastExt),unsafe.Offsetof(o.claimed),unsafe.Offsetof(o.lastTS),unsafe.Offsetof(o.history))
 fmt.Println("ep",unsafe.Sizeof(e),"leg",unsafe.Offsetof(e.leg),unsafe.Sizeof(l),"types",unsafe.Offsetof(l.types),unsafe.Sizeof(l.types[0]),"ext",unsafe.Offsetof(l.extensions),"hist",unsafe.Offsetof(l.history),unsafe.Sizeof(h),"waiting",unsafe.Offsetof(l.waiting),"stats",unsafe.Offsetof(l.stats),"down",unsafe.Offsetof(l.down),"probe",unsafe.Offsetof(l.probe))
 fmt.Println("sentPacket",unsafe.Sizeof(sentPacket{}))
}
