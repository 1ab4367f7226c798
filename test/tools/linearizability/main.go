// Judges a history of block reads and writes with Porcupine, a linearizability checker of another
// author. Each block is a register of its own.
//
//	linearizability < history.jsonl
//
// A line is one operation: {"client", "block", "op": "read"|"write", "value", "call", "return"},
// times in nanoseconds of one clock; "return": null for a write whose outcome is not known (it may
// take effect at any time, or never). Reads without an answer are left out by the writer of the
// file. Prints {"operations", "blocks", "unknown", "illegal": [block], "undecided": [block]}; exit
// 1 unless every block is linearizable.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// One block may take so long; a search is exponential in what is concurrent.
const blockLimit = 20 * time.Second

// Longest line of a history, in bytes.
const lineMax = 4096

type operation struct {
	Client int    `json:"client"`
	Block  int64  `json:"block"`
	Op     string `json:"op"`
	Value  int64  `json:"value"`
	Call   int64  `json:"call"`
	Return *int64 `json:"return"`
}

type input struct {
	isWrite bool
	value   int64
}

type verdict struct {
	Operations int     `json:"operations"`
	Blocks     int     `json:"blocks"`
	Unknown    int     `json:"unknown"`
	Illegal    []int64 `json:"illegal"`
	Undecided  []int64 `json:"undecided"`
}

// A new block reads as 0.
var register = porcupine.Model{
	Init: func() interface{} { return int64(0) },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		asked := in.(input)
		if asked.isWrite {
			return true, asked.value
		}
		return out.(int64) == state.(int64), state
	},
	Equal: func(a, b interface{}) bool { return a.(int64) == b.(int64) },
}

func main() {
	blocks, found, err := read()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	found.Illegal, found.Undecided = []int64{}, []int64{}
	for block, history := range blocks {
		switch porcupine.CheckOperationsTimeout(register, history, blockLimit) {
		case porcupine.Illegal:
			found.Illegal = append(found.Illegal, block)
		case porcupine.Unknown:
			found.Undecided = append(found.Undecided, block)
		}
	}
	sortBlocks(found.Illegal)
	sortBlocks(found.Undecided)
	text, _ := json.Marshal(found)
	fmt.Println(string(text))
	if len(found.Illegal)+len(found.Undecided) > 0 {
		os.Exit(1)
	}
}

func sortBlocks(blocks []int64) {
	sort.Slice(blocks, func(a, b int) bool { return blocks[a] < blocks[b] })
}

func read() (map[int64][]porcupine.Operation, verdict, error) {
	blocks, found := map[int64][]porcupine.Operation{}, verdict{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, lineMax), lineMax)
	for lines.Scan() {
		var one operation
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, found, fmt.Errorf("line %d: %w", found.Operations+1, err)
		}
		isWrite, end := one.Op == "write", int64(math.MaxInt64)
		if one.Return != nil {
			end = *one.Return
		} else if found.Unknown++; !isWrite {
			return nil, found, fmt.Errorf("line %d: a read without an answer", found.Operations+1)
		}
		found.Operations++
		blocks[one.Block] = append(blocks[one.Block], porcupine.Operation{
			ClientId: one.Client, Input: input{isWrite, one.Value}, Call: one.Call,
			Output: one.Value, Return: end,
		})
	}
	found.Blocks = len(blocks)
	return blocks, found, lines.Err()
}
