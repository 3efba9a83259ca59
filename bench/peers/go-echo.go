// An echo server on Go's standard net package, to stand beside epoll-echo.c: a goroutine for each
// client, which waits for what it reads and for what it writes.
//
//	go-echo PORT        listens on 127.0.0.1; PORT 0 takes a free one; prints "listening PORT"
//
// The net package sets TCP_NODELAY and takes the largest backlog by itself. A plain loop, not
// io.Copy: between two sockets that calls splice(2), which costs more than it saves at this size.
// Ends on SIGTERM, by the signal's default.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

const (
	receiveBytes = 16384
	// Out of descriptors, one may be free again after that.
	patience = 10 * time.Millisecond
)

func serve(client net.Conn) {
	defer client.Close()
	buffer := make([]byte, receiveBytes)
	for {
		length, err := client.Read(buffer)
		if length > 0 {
			// Returns when all of it has gone, or with an error.
			if _, err := client.Write(buffer[:length]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go-echo PORT")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-echo:", err)
		os.Exit(1)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	for {
		client, err := listener.Accept()
		if err != nil {
			time.Sleep(patience)
			continue
		}
		go serve(client)
	}
}
