/** Min-cost flow by shortest augmenting levels; costs may be negative, cycles of them may not. */
export class MinCostFlow {
  readonly #to: number[] = []
  readonly #room: number[] = []
  readonly #cost: number[] = []
  readonly #edges: number[][] = []
  #distance = new Float64Array(0)
  #cursor = new Int32Array(0)
  #onPath = new Uint8Array(0)

  node(): number {
    this.#edges.push([])
    return this.#edges.length - 1
  }

  edge(from: number, to: number, room: number, cost: number): void {
    if (room <= 0) return
    this.#edges[from].push(this.#to.length)
    this.#to.push(to)
    this.#room.push(room)
    this.#cost.push(cost)
    this.#edges[to].push(this.#to.length)
    this.#to.push(from)
    this.#room.push(0)
    this.#cost.push(-cost)
  }

  run(source: number, sink: number): { amount: number; cost: number } {
    const count = this.#edges.length
    this.#distance = new Float64Array(count)
    this.#cursor = new Int32Array(count)
    this.#onPath = new Uint8Array(count)
    let amount = 0
    let cost = 0
    while (this.#measure(source, sink)) {
      this.#cursor.fill(0)
      for (;;) {
        const pushed = this.#push(source, sink, Number.MAX_SAFE_INTEGER)
        if (pushed === 0) break
        amount += pushed
        cost += pushed * this.#distance[sink]
      }
    }
    return { amount, cost }
  }

  /** Cheapest way from the source to every node, with a queue (negative costs allowed). */
  #measure(source: number, sink: number): boolean {
    const distance = this.#distance.fill(Number.POSITIVE_INFINITY)
    const isQueued = new Uint8Array(distance.length)
    distance[source] = 0
    let queue = [source]
    while (queue.length > 0) {
      const next: number[] = []
      for (const node of queue) {
        isQueued[node] = 0
        for (const edge of this.#edges[node]) {
          const far = distance[node] + this.#cost[edge]
          const to = this.#to[edge]
          if (this.#room[edge] === 0 || far >= distance[to]) continue
          distance[to] = far
          if (isQueued[to] === 1) continue
          isQueued[to] = 1
          next.push(to)
        }
      }
      queue = next
    }
    return distance[sink] < Number.POSITIVE_INFINITY
  }

  #push(node: number, sink: number, most: number): number {
    if (node === sink) return most
    const edges = this.#edges[node]
    this.#onPath[node] = 1
    for (; this.#cursor[node] < edges.length; this.#cursor[node]++) {
      const edge = edges[this.#cursor[node]]
      const to = this.#to[edge]
      const isShortest = this.#distance[to] === this.#distance[node] + this.#cost[edge]
      if (this.#room[edge] === 0 || this.#onPath[to] === 1 || !isShortest) continue
      const pushed = this.#push(to, sink, Math.min(most, this.#room[edge]))
      if (pushed === 0) continue
      this.#room[edge] -= pushed
      this.#room[edge ^ 1] += pushed
      this.#onPath[node] = 0
      return pushed
    }
    this.#onPath[node] = 0
    return 0
  }
}
